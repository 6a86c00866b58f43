import { gzip } from 'node:zlib';
import { inLines } from '../../detached-job.js';
import { Facts, SAY_FACTS } from '../../facts.js';
import { type BytePath, toBytes } from '../../files/byte-path.js';
import type { FileScript } from '../../files/file-scripts.js';
import { quote } from '../../remote-command.js';
import { SWEEP } from '../../scratch.js';
import { unreadable } from '../../unreadable.js';
import { PYTHON_GRANT } from './python-grant.js';
import { PYTHON_PULL } from './python-pull.js';
import { PYTHON_JOIN, PYTHON_PUSH } from './python-push.js';
import { PYTHON_SERVE } from './python-serve.js';

/**
 * The passage from the one machine to the other, for one run: a key that is made on the one that logs in and never leaves
 * it, its public half among the other's keys, good for nothing but that one's part of the programs, and for as long as the
 * run renews its lease. The destination logs in ("pull") where it can; else the source does ("push"). Either machine may
 * be hostile to the other: the source's half sends what the run has planned and no more, whoever asks.
 *
 * There is no `from=` in front of the key: a machine of the market may leave by another address than the one it is reached
 * at, and by a third one tomorrow.
 */
export type PassageBy = 'pull' | 'push';

const place = (run: string): string => {
  if (!/^migrate-[a-z0-9]+$/u.test(run)) throw unreadable('what it named as a migration is none');
  return `$ROOT/var/lib/forgectl/passage-${run}`;
};

const PYTHON = `python=/usr/bin/python3; [ -x "$python" ] || python=$(command -v python3) || exit 1`;

/** The words that mark everything of the run: in process lists, and behind its key. */
const mark = (run: string): string => `passage-${run}`;

/** How long the passage outlives a run that does not renew it: a computer that was shut, or has no network. */
export const LEASE_S = 3 * 3600;

/**
 * `renew` writes the lease anew, and when the key expires, if it is there. sshd reads that time in a time zone of its own,
 * which it need not have from where this script has its: the latest of those that it may be counts. The programs end by
 * the lease, which is to the second and knows no zones.
 */
const renewing = (run: string): string => `
until=$(( $(date +%s) + ${LEASE_S} ))
stamp() { date -d "@$until" +%Y%m%d%H%M; }
zone=$(tr '\\0' '\\n' </proc/1/environ 2>/dev/null | sed -n 's/^TZ=//p' | head -n 1)
expires=$({ stamp; (unset TZ; stamp); [ -z "$zone" ] || (export TZ="$zone"; stamp); } 2>/dev/null | sort | tail -n 1)
renew() {
  printf '%s\\n' "$until" >"$place/lease.new" && mv -f "$place/lease.new" "$place/lease" || return 1
  keys=$(realpath -e "$HOME/.ssh/authorized_keys" 2>/dev/null)
  [ -n "$keys" ] && [ -n "$expires" ] && grep -q ' ${mark(run)}$' "$keys" || return 0
  cp -p "$keys" "$keys.forgectl" &&
    sed '/ ${mark(run)}$/s/expiry-time="[0-9]*"/expiry-time="'"$expires"'"/' "$keys" >"$keys.forgectl" &&
    mv -f "$keys.forgectl" "$keys" || { rm -f "$keys.forgectl"; return 1; }
}
`;

/** On the one that logs in: makes the key, once, and writes down what the other must show. Prints the public half. */
export function makeKeyScript(run: string, hostKey: string): string {
  return `${SAY_FACTS}
umask 077
place="${place(run)}"
mkdir -p "$place" || exit 1
printf 'forgectl-peer %s\\n' ${quote([hostKey])} >"$place/known_hosts" || exit 1
if [ ! -s "$place/key.pub" ]; then
  rm -f "$place/key" "$place/key.pub"
  ssh-keygen -q -t ed25519 -N '' -C '${mark(run)}' -f "$place/key" </dev/null || exit 1
fi
emit key <"$place/key.pub"
put place "$place"
`;
}

export function parseKey(output: string): { publicKey: string; place: string } | null {
  const facts = new Facts(output);
  const key = /^ssh-ed25519 [A-Za-z0-9+/=]+/u.exec(facts.text('key') ?? '')?.[0];
  const directory = facts.raw('place');
  return key === undefined || directory === null ? null : { publicKey: key, place: directory };
}

/** Takes the run's line from among the keys. */
const dropKey = (run: string): string => `
drop_key() {
  keys=$(realpath -e "$HOME/.ssh/authorized_keys" 2>/dev/null)
  [ -n "$keys" ] && grep -q ' ${mark(run)}$' "$keys" || return 0
  cp -p "$keys" "$keys.forgectl" && { grep -v ' ${mark(run)}$' "$keys" >"$keys.forgectl"; [ "$?" -lt 2 ]; } &&
    mv -f "$keys.forgectl" "$keys" || { rm -f "$keys.forgectl"; return 1; }
}
`;

/** On the other: what the key may do, and the key. Exit 3: the path cannot be written into a line of sshd's. */
export function letInScript(run: string, publicKey: string, by: PassageBy): string {
  const [program, text, words] =
    by === 'pull' ? ['serve', PYTHON_SERVE, "'$WORKSPACE' '$place'"] : ['join', PYTHON_JOIN, "'$place'"];
  return `${SAY_FACTS}
umask 077
place="${place(run)}"
${PYTHON}
case $place$WORKSPACE$python in *["'\\""]*) exit 3 ;; esac
mkdir -p "$place" "$HOME/.ssh" || exit 1
base64 -d >"$place/${program}.py" <<'FORGECTL_PROGRAM' || exit 1
${inLines(Buffer.from(text).toString('base64'))}
FORGECTL_PROGRAM
${renewing(run)}
${dropKey(run)}
# One that an earlier try has left may say other words.
drop_key && renew || exit 1
keys="$HOME/.ssh/authorized_keys"
put place "$place"
line="restrict\${expires:+,expiry-time=\\"$expires\\"},command=\\"'$python' -I -S '$place/${program}.py' ${words}\\" ${publicKey} ${mark(run)}"
[ ! -s "$keys" ] || [ -z "$(tail -c 1 "$keys")" ] || printf '\\n' >>"$keys"
printf '%s\\n' "$line" >>"$keys"
`;
}

/** On either machine: what was granted there lasts longer. Harmless where nothing is, or nothing any more. */
export function renewScript(run: string): string {
  return `umask 077
place="${place(run)}"
[ -d "$place" ] || exit 0
${renewing(run)}
renew
`;
}

/**
 * On the source: the paths that its half may send, absolute, and how many bytes at most from now on, over all connections.
 * The packed list comes on stdin; see `packPaths`.
 */
export function grantScript(sourcePlace: string, bytes: number): FileScript {
  const words = [PYTHON_GRANT, `${sourcePlace}/`, String(bytes), String(LEASE_S)];
  return { script: `${PYTHON}\nexec "$python" -I -S -c "$@"`, words };
}

/** As `grantScript` expects them. */
export function packPaths(paths: readonly BytePath[]): Promise<Buffer> {
  // As bytes they sort like characters of one byte each.
  const text = Buffer.from(
    [...paths]
      .sort()
      .map((path) => `${path}\0`)
      .join(''),
    'latin1',
  );
  return new Promise((resolve, reject) => {
    gzip(text, { level: 1 }, (error, packed) => (error === null ? resolve(packed) : reject(error)));
  });
}

export function parsePlace(output: string): string | null {
  return new Facts(output).raw('place');
}

/** On either machine: ends what is at work there, and takes away the key, both its halves, and the programs. */
export function closeScript(run: string): string {
  return `umask 077
place="${place(run)}"
${dropKey(run)}
drop_key || exit 1
for signal in TERM KILL; do
  for process in /proc/[0-9]*; do
    case $(tr '\\0' ' ' <"$process/cmdline" 2>/dev/null) in
      *"${mark(run)}/"*) [ "\${process#/proc/}" = "$$" ] || kill -s "$signal" "\${process#/proc/}" 2>/dev/null && found=1 ;;
    esac
  done
  [ -n "$found" ] || break
  sleep 0.2
done
rm -rf "$place"
${SWEEP}
sweep "$WORKSPACE"/.venv-backups/*/.freeze.*
`;
}

export interface SourceAddress {
  host: string;
  port: number;
}

/** On the one machine: whether the other's sshd can be reached from there. Prints `reached=`; changes nothing. */
export function reachScript({ host, port }: SourceAddress): string {
  return `${SAY_FACTS}
words=$(timeout 6 bash -c 'exec 3<>"/dev/tcp/$1/$2" && IFS= read -r -t 5 line <&3 && printf %s "$line"' reach ${quote([host, String(port)])} 2>/dev/null)
case $words in SSH-*) put reached 1 ;; esac
true
`;
}

export function parseReach(output: string): boolean {
  return new Facts(output).has('reached');
}

export interface PullWish {
  /** Where the key lies on the machine that logs in. */
  place: string;
  /** Of the other. */
  address: SourceAddress;
  /** As the pinned key says: ssh-ed25519. */
  hostKeyType: string;
}

/** A process on the destination that takes jobs and writes below `top`. The name of the key in its words marks it as the run's. */
export function pullScript(wish: PullWish, top: BytePath): FileScript {
  return {
    script: `${PYTHON}\nexec "$python" -I -S -c "$@"`,
    words: [PYTHON_PULL, toBytes(top), ...sshWords(wish), 'serve'],
  };
}

/** The same for a connection that comes from the source, under a number of its own. `place` is the destination's. */
export function meetScript(destinationPlace: string, number: string, top: BytePath): FileScript {
  const words = [PYTHON_PULL, toBytes(top), 'meet', `${destinationPlace}/`, number];
  return { script: `${PYTHON}\nexec "$python" -I -S -c "$@"`, words };
}

/** On the source: sends what is asked for, as far as it is granted there, to whoever waits under the number. */
export function pushScript(wish: PullWish, { workspace, number }: { workspace: string; number: string }): FileScript {
  const half = ['-I', '-S', '-c', PYTHON_SERVE, workspace, `${wish.place}/`];
  const script = `${PYTHON}
push=$1; shift
exec "$python" -I -S -c "$push" ${half.length + 1} "$python" "$@"`;
  return { script, words: [PYTHON_PUSH, ...half, ...sshWords(wish), number] };
}

function sshWords({ place: directory, address, hostKeyType }: PullWish): string[] {
  const options = [
    'BatchMode=yes',
    'IdentitiesOnly=yes',
    'IdentityAgent=none',
    'StrictHostKeyChecking=yes',
    `UserKnownHostsFile="${directory}/known_hosts"`,
    'GlobalKnownHostsFile=/dev/null',
    'HostKeyAlias=forgectl-peer',
    `HostKeyAlgorithms=${hostKeyType === 'ssh-rsa' ? 'rsa-sha2-512,rsa-sha2-256' : hostKeyType}`,
    'ConnectTimeout=15',
    'ServerAliveInterval=15',
    'ServerAliveCountMax=4',
    'Compression=no',
    'ControlPath=none',
    'ClearAllForwardings=yes',
    'LogLevel=ERROR',
    'Ciphers=aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,aes128-ctr,aes256-ctr',
  ];
  const ssh = ['ssh', '-T', '-F', '/dev/null', '-i', `${directory}/key`];
  const words = [...ssh, ...options.flatMap((option) => ['-o', option]), '-p', String(address.port)];
  return [...words, `root@${address.host}`];
}
