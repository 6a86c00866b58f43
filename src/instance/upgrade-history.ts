import { redactAddress } from '../secrets/redact.js';
import { isIsoTime } from './facts.js';
import { isCommit } from './git-names.js';
import { KEPT_PLACE } from './git-script.js';

/** One upgrade as the machine remembers it, whichever computer made it. */
export interface UpgradeEntry {
  run: string;
  /** ISO time of its end. */
  at: string;
  /** The branch that was checked out; older lines do not say. */
  from: { sha: string; subject: string; branch?: string | null };
  to: { sha: string; subject: string; name: string };
  /** The remote's address before, and after, without what may be a key in it. */
  remoteBefore: string | null;
  remoteUrl: string | null;
  result: 'done' | 'rolled back';
  /** Why it was rolled back. */
  reason: string | null;
  downtimeS: number | null;
}

const HISTORY = `${KEPT_PLACE}/history`;

/** One line an entry; a run that is there already is not entered again. */
export function enterHistoryScript(entry: UpgradeEntry): string {
  const line = Buffer.from(JSON.stringify(entry)).toString('base64');
  return `umask 077
mkdir -p "${KEPT_PLACE}" || exit 1
grep -q '^${entry.run} ' "${HISTORY}" 2>/dev/null || printf '%s %s\\n' '${entry.run}' '${line}' >>"${HISTORY}"
true
`;
}

const NOW = '@now@';

/** As `enterHistoryScript`, when nobody knows the time before: the machine's own. */
export function enterHistoryNowScript(entry: Omit<UpgradeEntry, 'at'>): string {
  const text = Buffer.from(JSON.stringify({ ...entry, at: NOW })).toString('base64');
  return `umask 077
mkdir -p "${KEPT_PLACE}" || exit 1
grep -q '^${entry.run} ' "${HISTORY}" 2>/dev/null && exit 0
line=$(printf %s '${text}' | base64 -d | sed "s/${NOW}/$(date -u +%Y-%m-%dT%H:%M:%SZ)/" | base64 | tr -d '\\n')
printf '%s %s\\n' '${entry.run}' "$line" >>"${HISTORY}"
`;
}

export function readHistoryScript(): string {
  return `cat "${HISTORY}" 2>/dev/null; true`;
}

/** Newest first. Lines that are not entries are passed over. */
export function parseHistory(text: string): UpgradeEntry[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .flatMap((line) => entryOf(line.split(' ')[1] ?? '') ?? [])
    .reverse();
}

function entryOf(base64: string): UpgradeEntry | null {
  try {
    const entry = JSON.parse(Buffer.from(base64, 'base64').toString('utf8')) as Unread<UpgradeEntry>;
    if (!isEntry(entry)) return null;
    // Lines of an earlier forgectl have addresses as they were.
    const shown = (url: string | null | undefined): string | null =>
      typeof url === 'string' ? redactAddress(url) : null;
    return { ...entry, remoteBefore: shown(entry.remoteBefore), remoteUrl: shown(entry.remoteUrl) };
  } catch {
    return null;
  }
}

type Unread<T> = { [K in keyof T]?: unknown };
type UnreadSide = { sha?: unknown; subject?: unknown; branch?: unknown; name?: unknown } | null | undefined;

function isEntry(entry: Unread<UpgradeEntry>): entry is UpgradeEntry {
  const { run, at, remoteBefore, remoteUrl, result, reason, downtimeS } = entry;
  const [from, to] = [entry.from, entry.to] as [UnreadSide, UnreadSide];
  return (
    isText(run) &&
    isText(at) &&
    isIsoTime(at) &&
    [from, to].every(isSide) &&
    isTextOrNothing(from?.branch) &&
    isText(to?.name) &&
    [remoteBefore, remoteUrl, reason].every(isTextOrNothing) &&
    (result === 'done' || result === 'rolled back') &&
    (downtimeS === undefined || downtimeS === null || (typeof downtimeS === 'number' && downtimeS >= 0))
  );
}

function isSide(side: UnreadSide): boolean {
  return isText(side?.sha) && isCommit(side.sha) && isText(side.subject);
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function isTextOrNothing(value: unknown): boolean {
  return value === undefined || value === null || isText(value);
}
