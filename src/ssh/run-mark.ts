import { randomBytes } from 'node:crypto';
import type { Connection } from './connection.js';
import { PLAIN_BASH } from './shell.js';

const REACH_LIMIT_MS = 5000;
/** For what cleans up after itself. */
const GRACE_S = 2;

/** A word behind the command's own, by which a script is found in the machine's process list. */
export function newRunMark(): string {
  return `forgectl-run-${randomBytes(8).toString('hex')}`;
}

/**
 * Ends a script that nobody waits for any more, with what it has started in its process group. sshd refuses SSH's own way
 * to do that to root, and closing the channel ends only what reads or writes. A machine that cannot do it is left alone.
 */
export async function endMarked(connection: Connection, mark: string): Promise<void> {
  await connection.exec(PLAIN_BASH, { timeoutMs: REACH_LIMIT_MS, stdin: endScript(mark) }).catch(() => undefined);
}

/** The shell that sshd starts may hold the mark too, or have become the script's own. */
function endScript(mark: string): string {
  return `marked() {
  for directory in /proc/[0-9]*; do
    tr '\\0' ' ' 2>/dev/null <"$directory/cmdline" | grep -qF ${mark} && echo "\${directory#/proc/}"
  done
}
for signal in TERM KILL; do
  for pid in $(marked); do kill -s $signal -- "-$pid" 2>/dev/null || kill -s $signal "$pid" 2>/dev/null; done
  for _ in $(seq ${GRACE_S * 10}); do [ -n "$(marked)" ] || exit 0; sleep 0.1; done
done
`;
}
