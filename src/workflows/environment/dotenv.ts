import type { Clock } from '../../clock.js';
import { EXIT, ForgeError } from '../../errors.js';
import { DotenvFile } from '../../instance/dotenv/dotenv-file.js';
import {
  MAX_BYTES,
  type MachineEnvironment,
  parseDotenvAnswer,
  parseWriteAnswer,
  readDotenvScript,
  writeDotenvScript,
} from '../../instance/dotenv/dotenv-script.js';
import { createRedactor } from '../../secrets/known-values.js';
import { rememberVariables } from '../../secrets/sent.js';
import type { MachineSession } from '../machine-session.js';

/** Null takes the variable out. */
export type Changes = ReadonlyMap<string, string | null>;

export async function readEnvironment(session: MachineSession): Promise<MachineEnvironment> {
  const found = parseDotenvAnswer((await session.run(readDotenvScript())).output);
  if (!('problem' in found)) return found;
  throw new ForgeError(`${found.path} on instance ${session.id} is ${PROBLEMS[found.problem]}.`, {
    code: 'ENV_UNREADABLE',
    exit: EXIT.conflict,
    hint: `forgectl exec ${session.id} -- ls -l ${found.path}`,
    details: { instance_id: session.id },
  });
}

const PROBLEMS = { unreadable: 'not a file that can be read', large: 'larger than forgectl reads' };

const TRIES = 20;
const BUSY_MS = 250;

/** Read, changed, written over what was read and nothing else: when somebody else was faster, once more from the start. */
export async function changeEnvironment(
  session: MachineSession,
  clock: Clock,
  changes: Changes,
): Promise<{ before: MachineEnvironment; changed: string[] }> {
  const given = [...changes].flatMap(([name, value]): [string, string][] => (value === null ? [] : [[name, value]]));
  rememberVariables(given);
  let atEnd: ReadonlySet<string> = new Set();
  for (let tries = 1; ; tries += 1) {
    const before = await readEnvironment(session);
    const file = new DotenvFile(before.bytes);
    const changed = applyTo(file, changes, atEnd, before);
    if (changed.length === 0) return { before, changed };
    if (file.bytes().length > MAX_BYTES) throw tooLarge();
    const answer = await write(session, before.bytes, file.bytes(), changes);
    if (answer.outcome === 'written') return { before, changed };
    // Something further down in the file sets it again.
    if (
      answer.outcome === 'not_read_back' &&
      atEnd.size === 0 &&
      answer.names.some((name) => changes.get(name) !== null)
    )
      atEnd = new Set(answer.names);
    else if ((answer.outcome !== 'changed' && answer.outcome !== 'busy') || tries >= TRIES)
      throw refusal(session.id, answer, given);
    await clock.sleep(BUSY_MS, session.signal);
  }
}

/** What `changeEnvironment` would change. */
export function previewChanges(before: MachineEnvironment, changes: Changes): string[] {
  return applyTo(new DotenvFile(before.bytes), changes, new Set(), before);
}

/** Names whose line is another than before. Throws (exit 9) for what only a person can take out. */
function applyTo(file: DotenvFile, changes: Changes, atEnd: ReadonlySet<string>, before: MachineEnvironment): string[] {
  const changed: string[] = [];
  for (const [name, value] of changes) {
    const bytes = file.bytes();
    if (value !== null) {
      const isSo = before.loaded.get(name) === value && file.entries().some((entry) => entry.name === name);
      if (!isSo) file.set(name, value, { atEnd: atEnd.has(name) });
    } else if (!file.unset(name)) throw onlyByHand(name, before);
    if (!file.bytes().equals(bytes)) changed.push(name);
  }
  return changed;
}

/** The file as somebody has edited it; refused (exit 9) when it is another one by now. */
export async function replaceDotenv(session: MachineSession, before: Buffer, after: Buffer): Promise<void> {
  const given = [...new DotenvFile(after).entries()].map(({ name, value }): [string, string] => [name, value ?? '']);
  rememberVariables(given);
  const answer = await write(session, before, after, new Map());
  if (answer.outcome !== 'written') throw refusal(session.id, answer, given);
}

async function write(session: MachineSession, before: Buffer, after: Buffer, expected: Changes) {
  return parseWriteAnswer((await session.run(writeDotenvScript({ before, after, expected }))).output);
}

function tooLarge(): ForgeError {
  return new ForgeError(`The file would be larger than ${MAX_BYTES / 1024} KB.`, {
    code: 'ENV_TOO_LARGE',
    exit: EXIT.usage,
    hint: 'Put long texts in files of their own, and their paths into variables.',
  });
}

function onlyByHand(name: string, { path }: MachineEnvironment): ForgeError {
  return new ForgeError(`${name} is set in shell that forgectl does not take apart, in ${path}.`, {
    code: 'ENV_BY_HAND',
    exit: EXIT.conflict,
    hint: 'forgectl env edit INSTANCE',
  });
}

/** Of what was given no value is in the machine's words. */
function refusal(
  id: number,
  answer: ReturnType<typeof parseWriteAnswer>,
  given: readonly [string, string][],
): ForgeError {
  const facts = { details: { instance_id: id } };
  const hide = createRedactor(given.map(([, value]) => value));
  switch (answer.outcome) {
    case 'changed':
    case 'busy':
      return new ForgeError('Somebody else has changed the file meanwhile; nothing was written.', {
        ...facts,
        code: 'ENV_CHANGED_MEANWHILE',
        exit: EXIT.conflict,
        hint: 'Do it again.',
      });
    case 'syntax':
      return new ForgeError('A shell cannot read the file: a quote or a bracket is not closed. Nothing was written.', {
        ...facts,
        code: 'ENV_SYNTAX',
        exit: EXIT.conflict,
        hint: `forgectl env edit ${id}`,
      });
    case 'not_read_back':
      return new ForgeError(
        `A shell would not read ${hide(answer.names.join(', '))} from the file as asked for. Nothing was written.`,
        {
          ...facts,
          code: 'ENV_NOT_READ_BACK',
          exit: EXIT.conflict,
          hint: `Other lines of the file stand in the way, or bash has its own use for the name: forgectl env edit ${id}`,
        },
      );
    default:
      return new ForgeError(
        `The file was not written: ${answer.outcome === 'failed' ? hide(answer.said.slice(0, 4096)) : 'the machine did not say why'}.`,
        { ...facts, code: 'ENV_NOT_WRITTEN', exit: EXIT.notReady, hint: `forgectl exec ${id} -- df -h` },
      );
  }
}
