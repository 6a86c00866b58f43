import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { EXIT, ForgeError } from '../errors.js';
import { DotenvFile } from '../instance/dotenv/dotenv-file.js';
import type { Instance } from '../vast/model.js';
import type { ServiceAnswer } from './act-on-services.js';
import type { ForgeContext } from './context.js';
import { type EnvRequest, type NameChange, withRestart } from './env-change.js';
import { keepPort } from './env-input.js';

/** What was typed is never lost: where it was not written, its file is kept, and named. */
export async function editVariables(
  context: ForgeContext,
  instance: Instance,
  request: EnvRequest,
): Promise<ServiceAnswer> {
  const { prompts, terminal } = context;
  if (!terminal.canPrompt) throw prompts.needAnswer(['forgectl env set'], 'An editor');
  const { openSession } = await import('./upgrade-access.js');
  const { readEnvironment, replaceDotenv } = await import('../workflows/environment/dotenv.js');
  const session = await openSession(context, instance);
  const draft = join(mkdtempSync(join(tmpdir(), 'forgectl-env-')), 'env.sh');
  let isKept = false;
  try {
    const before = await readEnvironment(session);
    writeFileSync(draft, before.bytes, { mode: 0o600 });
    await runEditor(draft);
    const edited = readFileSync(draft);
    isKept = !edited.equals(before.bytes);
    const after = isKept ? withPort(context, edited) : edited;
    const preview = after.equals(before.bytes) ? [] : diffNames(before.bytes, after);
    await confirm(context, preview, request);
    const answer = await withRestart(context, session, { before, preview, request }, async () => {
      await replaceDotenv(session, before.bytes, after);
      isKept = false;
    });
    isKept = false;
    return answer;
  } catch (error) {
    throw isKept && error instanceof ForgeError ? withDraft(error, draft) : error;
  } finally {
    if (!isKept) rmSync(dirname(draft), { recursive: true, force: true });
    session.close();
  }
}

/** The editor is a command line of the user's, as git and crontab take it. */
async function runEditor(file: string): Promise<void> {
  const editor = process.env['VISUAL'] || process.env['EDITOR'] || 'vi';
  const child = spawn('/bin/sh', ['-c', `${editor} "$1"`, 'sh', file], { stdio: ['inherit', 2, 'inherit'] });
  // A Ctrl-C is the editor's.
  const ignore = (): void => {};
  process.on('SIGINT', ignore);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  }).finally(() => process.off('SIGINT', ignore));
  if (code === 0) return;
  throw new ForgeError(`The editor ended with ${code ?? 'a signal'}; nothing was changed.`, {
    code: 'EDITOR_FAILED',
    exit: EXIT.usage,
    hint: `It is taken from VISUAL or EDITOR: ${editor}`,
  });
}

function withPort({ reporter }: ForgeContext, bytes: Buffer): Buffer {
  const file = new DotenvFile(bytes);
  const given = file.entries().findLast(({ name }) => name === 'FORGE_ARGS')?.value ?? null;
  if (given === null) return bytes;
  const values = new Map([['FORGE_ARGS', given]]);
  const told = keepPort(values);
  if (told === null) return bytes;
  reporter.info(told);
  file.set('FORGE_ARGS', values.get('FORGE_ARGS') ?? given);
  return file.bytes();
}

/** Names alone; what changed beside them is called lines. */
function diffNames(before: Buffer, after: Buffer): NameChange[] {
  const [old, fresh] = [lastValues(before), lastValues(after)];
  const names = [...new Set([...old.keys(), ...fresh.keys()])];
  const changes = names.flatMap((name): NameChange[] => {
    if (!fresh.has(name)) return [{ name, change: 'removed' }];
    if (!old.has(name)) return [{ name, change: 'added' }];
    return old.get(name) === fresh.get(name) ? [] : [{ name, change: 'changed' }];
  });
  return changes.length > 0 ? changes : [{ name: OTHER_LINES, change: 'changed' }];
}

const OTHER_LINES = '(other lines)';

function lastValues(bytes: Buffer): Map<string, string> {
  return new Map(new DotenvFile(bytes).entries().map(({ name, value, source }) => [name, value ?? source]));
}

async function confirm({ prompts, reporter }: ForgeContext, preview: NameChange[], request: EnvRequest): Promise<void> {
  if (preview.length === 0 || request.dryRun) return;
  const signs = { added: '+', changed: '~', removed: '-' };
  reporter.info(preview.map(({ name, change }) => `  ${signs[change]} ${name}`).join('\n'));
  if (request.yes || (await prompts.confirm('Write this?'))) return;
  throw new ForgeError('Nothing was changed.', { code: 'CANCELLED', exit: EXIT.interrupted });
}

function withDraft({ message, code, exit, hint, details }: ForgeError, draft: string): ForgeError {
  const kept = `Your text is in ${draft}, readable by you alone.`;
  return new ForgeError(message, { code, exit, hint: [kept, hint].filter(Boolean).join('\n'), details });
}
