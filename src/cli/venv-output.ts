import { type FreezeDifference, type FrozenPackage, isSameFreeze } from '../instance/freeze.js';
import type { VenvBackup } from '../instance/venv-backups.js';
import { formatDuration } from '../ui/format.js';
import { cleanLine } from '../ui/sanitize.js';
import type { ForgeContext } from './context.js';

export function backupDocument(backup: VenvBackup, nowMs: number): Record<string, unknown> {
  return {
    contract_id: backup.contract,
    file: backup.file,
    taken_at_machine_time: backup.takenAt,
    age_s: Math.max(0, Math.round((nowMs - backup.changedAtMs) / 1000)),
    packages: backup.packageCount,
    bytes: backup.bytes,
    latest: backup.isLatest,
  };
}

export function backupTable(backups: readonly VenvBackup[], context: ForgeContext, nowMs: number): Promise<string> {
  return context.table(backups, [
    { header: 'CONTRACT', value: ({ contract }) => contract },
    { header: 'BACKUP', value: ({ file, isLatest }) => `${file}${isLatest ? '  (latest)' : ''}` },
    {
      header: 'PACKAGES',
      value: ({ packageCount }) => (packageCount === 0 ? 'EMPTY' : String(packageCount)),
      align: 'right',
    },
    { header: 'AGE', value: ({ changedAtMs }) => formatDuration(nowMs - changedAtMs), align: 'right' },
  ]);
}

export function differenceDocument(difference: FreezeDifference): Record<string, unknown> {
  const plain = ({ name, version, line }: FrozenPackage) => ({ name, version, line });
  return {
    same: isSameFreeze(difference),
    added: difference.added.map(plain),
    removed: difference.removed.map(plain),
    changed: difference.changed.map(({ name, before, after }) => ({
      name,
      before: before.version ?? before.line,
      after: after.version ?? after.line,
    })),
  };
}

/** As `diff` does it: what only the first has, what only the second has, and what both have otherwise. */
export function differenceLines({ added, removed, changed }: FreezeDifference): string[] {
  return [
    ...removed.map(({ name, line }) => ({ name, text: `- ${cleanLine(line)}` })),
    ...added.map(({ name, line }) => ({ name, text: `+ ${cleanLine(line)}` })),
    ...changed.map(({ name, before, after }) => ({
      name,
      text: `~ ${cleanLine(name)}  ${cleanLine(before.version ?? before.line)} → ${cleanLine(after.version ?? after.line)}`,
    })),
  ]
    .sort((one, other) => (one.name < other.name ? -1 : 1))
    .map(({ text }) => text);
}
