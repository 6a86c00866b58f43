import { gzipSync } from 'node:zlib';
import { MAX_ONSTART, withHostKeyLine } from './host-key-line.js';
import { LOCAL_SCRIPT } from './provisioning-run.js';

/** How a script comes to a machine that nobody can log in to yet. */
export type CarriedBy = 'onstart' | 'ssh';

/** Where a script that is too large for the start script arrives. */
const BROUGHT_SCRIPT = '/provisioning-local.sh';

/** What the boot runs in its place: it waits, so that the image's own marks and log tell of the script itself. */
const WAITING = `#!/bin/bash
script="\${FORGECTL_ROOT-}${BROUGHT_SCRIPT}"
for n in $(seq 1200); do [ -s "$script" ] && exec "$script"; [ "$n" != 1 ] || echo "Waiting for forgectl to bring the script"; sleep 1; done
echo "The script never came over SSH" >&2
exit 1
`;

/**
 * The start script with a script in front of it, which it puts where the image looks: the image takes a path for an address
 * (lib/provisioner; older ones fetch nothing that is there). Compressed, because onstart holds 4096 characters; what does
 * not fit is brought over SSH.
 */
export function carryScript(onstart: string, script: string, nonce: string): { onstart: string; by: CarriedBy } {
  const whole = withHostKeyLine(withScript(onstart, script), nonce);
  if (fits(whole, nonce)) return { onstart: whole, by: 'onstart' };
  return { onstart: withHostKeyLine(withScript(onstart, WAITING), nonce), by: 'ssh' };
}

/** Without the line the host key could not be proved; a carried script is not worth that. */
function fits(whole: string, nonce: string): boolean {
  return whole.length <= MAX_ONSTART && whole.includes(nonce);
}

/** Before anything else of it: entrypoint.sh may never return. What the user has changed on the machine stays. */
function withScript(onstart: string, script: string): string {
  const text = gzipSync(Buffer.from(script, 'utf8'), { level: 9 }).toString('base64');
  const line = `(umask 077;f="\${FORGECTL_ROOT-}${LOCAL_SCRIPT}";[ -s "$f" ]||{ echo ${text}|base64 -d|gzip -dc>"$f.new"&&chmod 700 "$f.new"&&mv "$f.new" "$f";})`;
  const [first = '', ...rest] = onstart.split('\n');
  return first.startsWith('#!') ? [first, line, ...rest].join('\n') : `${line}\n${onstart}`;
}

/** Harmless twice: a script that is there stays. */
export function bringScript(script: string): string {
  return `umask 077
place="$ROOT${BROUGHT_SCRIPT}"
[ -s "$place" ] && exit 0
base64 -d >"$place.new" <<'FORGECTL_SCRIPT' || exit 1
${Buffer.from(script, 'utf8')
  .toString('base64')
  .replace(/.{1,76}/gu, '$&\n')
  .trimEnd()}
FORGECTL_SCRIPT
chmod 700 "$place.new" && mv "$place.new" "$place"
`;
}
