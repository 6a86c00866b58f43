import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { EXIT, ForgeError } from '../errors.js';
import { parseFreeze } from '../instance/freeze.js';
import type { Instance } from '../vast/model.js';
import type { MachineSession } from '../workflows/machine-session.js';
import { freezeNow, type NamedFreeze, readBackup } from '../workflows/venv/read-freeze.js';
import type { ForgeContext } from './context.js';
import { selectInstances } from './select-instances.js';
import { openSession } from './upgrade-access.js';

/** One machine for the time of a command. */
export async function withSession<T>(
  context: ForgeContext,
  instance: Instance,
  act: (session: MachineSession) => Promise<T>,
): Promise<T> {
  const session = await openSession(context, instance);
  try {
    return await act(session);
  } finally {
    session.close();
  }
}

/** One side of `venv diff`: a file here, or a freeze of a machine; a null machine is the only one that there is. */
export type FreezeSource = { file: string } | { instance: string | null; backup: string };

/** A file that is there is meant; else `[INSTANCE:]now|latest|BACKUP`. Labels may hold colons, backups hold one in a time. */
export function freezeSource(word: string): FreezeSource {
  if (word !== 'now' && word !== 'latest' && existsSync(word)) return { file: word };
  const match = /^(.+?):(now|latest|(?:[\w.-]+\/)?(?:venv-main-.*|\d{4}(?:-.*)?))$/su.exec(word);
  if (match !== null) return { instance: match[1] ?? '', backup: match[2] ?? '' };
  if (/^(?:now|latest|(?:[\w.-]+\/)?(?:venv-main-.*|\d{4}(?:-.*)?|latest))$/su.test(word)) {
    return { instance: null, backup: word };
  }
  throw new ForgeError(`"${word}" is neither a file here nor a freeze of a machine.`, {
    code: 'FREEZE_NOT_FOUND',
    exit: EXIT.notFound,
    hint: 'Write now, latest, a backup or the start of its time (2026-01-31), INSTANCE:now, INSTANCE:BACKUP, or a file.',
  });
}

/** Both sides, over one connection to each machine. */
export async function readFreezes(
  context: ForgeContext,
  sources: readonly [FreezeSource, FreezeSource],
): Promise<[NamedFreeze, NamedFreeze]> {
  const sessions = new Map<number, MachineSession>();
  try {
    const [before, after] = sources;
    return [await read(context, before, sessions), await read(context, after, sessions)];
  } finally {
    for (const session of sessions.values()) session.close();
  }
}

async function read(
  context: ForgeContext,
  source: FreezeSource,
  sessions: Map<number, MachineSession>,
): Promise<NamedFreeze> {
  if ('file' in source) return readLocal(source.file);
  const vast = await context.vast();
  const names = source.instance === null ? [] : [source.instance];
  const [instance] = selectInstances(await vast.instances.list(), { names, selfId: context.selfId });
  const session = sessions.get((instance as Instance).id) ?? (await openSession(context, instance as Instance));
  sessions.set(session.id, session);
  const freeze = source.backup === 'now' ? await freezeNow(session) : await readBackup(session, source.backup);
  return { ...freeze, name: `${source.instance ?? session.id}:${freeze.name}` };
}

async function readLocal(file: string): Promise<NamedFreeze> {
  const text = await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new ForgeError(`The file ${file} cannot be read (${cause.code}).`, {
      code: 'FILE_NOT_READ',
      exit: EXIT.usage,
      hint: 'Give a file as pip freeze writes it.',
      cause,
    });
  });
  return { name: file, packages: parseFreeze(text) };
}
