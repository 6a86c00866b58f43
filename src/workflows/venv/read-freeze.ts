import { EXIT, ForgeError } from '../../errors.js';
import { cleanLines } from '../../instance/clean-log.js';
import { type FrozenPackage, parseFreeze } from '../../instance/freeze.js';
import {
  freezeNowScript,
  listBackupsScript,
  parseBackups,
  parseFreezeAnswer,
  parseWrittenBackup,
  readBackupScript,
  type VenvBackup,
  type WrittenBackup,
  writeBackupScript,
} from '../../instance/venv-backups.js';
import type { MachineSession, ScriptResult } from '../machine-session.js';

/** A freeze, and where it is from: "now", or "<contract>/<file>". */
export interface NamedFreeze {
  name: string;
  packages: FrozenPackage[];
}

export async function freezeNow(session: MachineSession): Promise<NamedFreeze> {
  return { name: 'now', packages: packagesOf(session, await session.run(freezeNowScript()), 'now') };
}

export async function writeBackup(session: MachineSession): Promise<WrittenBackup> {
  const result = await session.run(writeBackupScript(session.id));
  const written = result.exitCode === 0 ? parseWrittenBackup(result.output) : null;
  if (written !== null) return written;
  throw notRead(session, 'The packages could not be written down', result);
}

export async function listBackups(session: MachineSession): Promise<VenvBackup[]> {
  return parseBackups((await session.run(listBackupsScript())).output);
}

/**
 * By "latest", a file, "<contract>/<file>", or the start of its time. Of several contracts the machine's own counts first:
 * a migrated workspace brings the source's along.
 */
export async function readBackup(session: MachineSession, name: string): Promise<NamedFreeze> {
  const backup = chooseBackup(await listBackups(session), name, session.id);
  const label = `${backup.contract}/${backup.file}`;
  return { name: label, packages: packagesOf(session, await session.run(readBackupScript(backup)), label) };
}

export function chooseBackup(all: readonly VenvBackup[], name: string, instanceId: number): VenvBackup {
  const [contract, wanted] = name.includes('/')
    ? [name.split('/')[0], name.split('/').slice(1).join('/')]
    : [null, name];
  const own = String(instanceId);
  const asked = all.filter((backup) => contract === null || backup.contract === contract);
  const latest = (backups: readonly VenvBackup[]) => backups.find(({ isLatest }) => isLatest) ?? backups[0];
  if (wanted === 'latest' || wanted === 'venv-main-latest.txt') {
    const found = latest(asked.filter((backup) => backup.contract === own)) ?? latest(asked);
    if (found === undefined) throw noBackup(all, name, instanceId);
    return found;
  }
  const matches = asked.filter(({ file, takenAt }) => file === wanted || startsWith(file, takenAt, wanted));
  const mine = matches.filter((backup) => backup.contract === own);
  const [only, ...others] = mine.length > 0 ? mine : matches;
  if (only === undefined || wanted === '') throw noBackup(all, name, instanceId);
  if (others.length === 0 || only.file === wanted) return only;
  throw new ForgeError(`"${name}" could be ${others.length + 1} backups.`, {
    code: 'AMBIGUOUS_BACKUP',
    exit: EXIT.notFound,
    hint: [only, ...others]
      .slice(0, 5)
      .map((backup) => `${backup.contract}/${backup.file}`)
      .join('\n'),
  });
}

/** "2026-01-31", "2026-01-31-12", "2026-01-31 12:30". */
function startsWith(file: string, takenAt: string, wanted: string): boolean {
  if (!/^\d{4}/u.test(wanted)) return false;
  return file.slice('venv-main-'.length).startsWith(wanted) || takenAt.startsWith(wanted.replace('T', ' '));
}

function noBackup(all: readonly VenvBackup[], name: string, instanceId: number): ForgeError {
  const message = all.length === 0 ? 'The machine has no backup of its packages.' : `There is no backup "${name}".`;
  return new ForgeError(message, {
    code: 'BACKUP_NOT_FOUND',
    exit: EXIT.notFound,
    hint: all.length === 0 ? `forgectl venv freeze ${instanceId}` : `forgectl venv ls ${instanceId}`,
  });
}

function packagesOf(session: MachineSession, result: ScriptResult, name: string): FrozenPackage[] {
  const text = result.exitCode === 0 ? parseFreezeAnswer(result.output) : null;
  const packages = parseFreeze(text ?? '');
  // A freeze of nothing is one that has failed (instance.md 12), and all would seem to be removed.
  if (packages.length > 0) return packages;
  throw notRead(session, `The packages cannot be read (${name})`, result);
}

function notRead(session: MachineSession, what: string, { stderr, exitCode }: ScriptResult): ForgeError {
  const why = cleanLines(stderr).at(-1) ?? 'nothing was said';
  return new ForgeError(`${what} on instance ${session.id}: ${why}.`, {
    code: /no space left|disk is full/iu.test(stderr) ? 'DISK_FULL' : 'FREEZE_FAILED',
    exit: EXIT.notReady,
    hint: `forgectl exec ${session.id} -- /venv/main/bin/python -m pip freeze`,
    details: { instance_id: session.id, exit_code: exitCode },
  });
}
