import type { Connection } from './connection.js';

const REACH_LIMIT_MS = 10_000;
const SENT = 'forgectl-signal-sent';

/** "SIGKILL" as "KILL". The peer says it, and may say anything. */
export function signalName(name: string | undefined): string | null {
  return name === undefined ? null : (/^(?:SIG)?([A-Z0-9]{1,20})(?:@[\w.-]{1,64})?$/u.exec(name)?.[1] ?? 'UNKNOWN');
}

/**
 * Sends a signal to the process groups of the commands that run on this connection; true when there was one. sshd refuses
 * SSH's own way to do that to root ("session signalling requires privilege separation"), and everybody is root there. So a
 * second channel looks for its siblings: leaders of a session with the same parent (the sshd that serves this connection)
 * and the same SSH_CONNECTION.
 */
export async function signalSession(connection: Connection, name: string): Promise<boolean> {
  if (!/^[A-Z0-9]{2,10}$/u.test(name)) throw new Error(`not the name of a signal: ${name}`);
  const { stdout } = await connection.exec('exec bash --noprofile --norc -s', {
    timeoutMs: REACH_LIMIT_MS,
    stdin: siblingsScript(name),
  });
  return stdout.includes(SENT);
}

function siblingsScript(name: string): string {
  return `
for directory in /proc/[0-9]*; do
  pid=\${directory#/proc/}
  [ "$pid" = "$$" ] && continue
  { IFS= read -r stat <"$directory/stat"; } 2>/dev/null || continue
  set -f; set -- \${stat##*) }; set +f
  [ "$2" = "$PPID" ] && [ "$4" = "$pid" ] || continue
  tr '\\0' '\\n' 2>/dev/null <"$directory/environ" | grep -qxF "SSH_CONNECTION=$SSH_CONNECTION" || continue
  kill -s ${name} -- "-$pid" 2>/dev/null && echo ${SENT}
done
exit 0
`;
}
