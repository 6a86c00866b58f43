import { EXIT, ForgeError } from '../errors.js';
import { KEPT_PLACE } from './git-script.js';
import { LEASE } from './lease.js';

/** Who works on a machine: one file on it, so that two computers cannot change it at the same time. */
export interface MachineLock {
  /** The run in the journal of the computer that holds it. */
  run: string;
  /** Why, in words: "upgrade to v1.2". */
  why: string;
  /** Which computer. */
  who: string;
  /** ISO time. */
  since: string;
}

const LOCK = '$ROOT/var/lib/forgectl/lock';

/**
 * Prints `taken`, or `held` and the holder. A link fails when the name exists, and shows nobody half a file. One that is
 * held is told without writing: a full disk must not keep its holder from the way back.
 */
export function takeLockScript(lock: MachineLock): string {
  return `umask 077
[ -e "${LOCK}" ] && { echo held; cat "${LOCK}"; exit 0; }
mkdir -p "$ROOT/var/lib/forgectl" || exit 1
draft="${LOCK}.$$"
printf %s '${encode(lock)}' >"$draft" || { rm -f "$draft"; exit 1; }
if ln "$draft" "${LOCK}" 2>/dev/null; then echo taken; else echo held; cat "${LOCK}"; fi
rm -f "$draft"
`;
}

/** Only the run's own lock. */
export function releaseLockScript(lock: MachineLock): string {
  return `${holdsLockScript(lock)} && rm -f "${LOCK}"
true
`;
}

/** Whether it is still the run's: somebody may have broken it. */
export function holdsLockScript(lock: MachineLock): string {
  return `[ "$(cat "${LOCK}" 2>/dev/null)" = '${encode(lock)}' ]`;
}

/** Prints the holder as `takeLockScript` does; nothing when it is free. */
export function readLockScript(): string {
  return `cat "${LOCK}" 2>/dev/null`;
}

/** Whoever holds it; but prints `working` and leaves it while the machine puts itself back. */
export function breakLockScript(): string {
  return `${LEASE}
for claimed in "${KEPT_PLACE}"/*/claimed; do
  [ -e "$claimed" ] || continue
  (exec 9>>"\${claimed%/*}/mutex" && hold 9 0) || { echo working; exit 0; }
done
rm -f "${LOCK}"
`;
}

/** Null when it was taken. Throws when the answer is not one. */
export function parseLockAnswer(output: string): MachineLock | null {
  const [word, text = ''] = output.trim().split('\n');
  if (word === 'taken') return null;
  if (word !== 'held') {
    throw new ForgeError('The machine could not be locked.', {
      code: 'MACHINE_NOT_LOCKED',
      exit: EXIT.notReady,
      hint: 'Is its disk full? forgectl exec INSTANCE -- df -h /',
    });
  }
  return decode(text);
}

function encode(lock: MachineLock): string {
  const { run, why, who, since } = lock;
  return Buffer.from(JSON.stringify({ run, why, who, since })).toString('base64');
}

/** A lock that cannot be read is held by nobody knows whom. */
function decode(text: string): MachineLock {
  let found: Partial<Record<keyof MachineLock, unknown>> = {};
  try {
    found = (JSON.parse(Buffer.from(text, 'base64').toString('utf8')) ?? {}) as typeof found;
  } catch {
    // Said below, in words.
  }
  const word = (key: keyof MachineLock): string => {
    const value = found[key];
    return typeof value === 'string' ? value.replace(/\p{Cc}+/gu, ' ').slice(0, 200) : 'unknown';
  };
  return { run: word('run'), why: word('why'), who: word('who'), since: word('since') };
}
