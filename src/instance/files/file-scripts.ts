import { quote, type Word } from '../remote-command.js';
import { type BytePath, toBytes } from './byte-path.js';
import { findEach } from './listing.js';
import { DEFINE_APPLY } from './operations.js';

/** Scripts about files on the machine (GNU tar, find and coreutils). Lists of paths and data come on stdin. */
export interface FileScript {
  script: string;
  /** $1, $2 … */
  words: readonly Word[];
}

function fileScript(script: string, words: readonly Word[] = []): FileScript {
  return { script, words };
}

/** English messages, and names that are bytes. */
const PRELUDE = 'export LC_ALL=C; umask 077';

/** A command line that runs one script. What it prints counts from the marker on. */
export function startCommand({ script, words }: FileScript, marker: string): string {
  const whole = `${PRELUDE}; printf '\\n%s\\n' '${marker}'\n${script}`;
  return quote(['bash', '--noprofile', '--norc', '-c', whole, 'forgectl', ...words]);
}

/**
 * A command line that runs one script after the other: on its input come a script and NUL, the number of bytes of the
 * script's own input, and those. Behind the output of each come a line with the marker, its status and the length of what
 * it said on stderr, and that. `apply` is defined there.
 */
export function deskCommand(marker: string): string {
  const loop = `${PRELUDE}; printf '\\n%s\\n' '${marker}'
${DEFINE_APPLY}
exec 3>&1
while IFS= read -r -d '' script && read -r bytes; do
  # What a script leaves of its input must not be the next one's.
  said=$(head -c "$bytes" | { (eval "$script") 2>&1 >&3 3>&-; status=$?; cat >/dev/null; exit "$status"; })
  status=$?
  said=\${said:0:20000}
  printf '\\n%s %d %d\\n%s' '${marker}' "$status" "\${#said}" "$said"
done`;
  return quote(['bash', '--noprofile', '--norc', '-c', loop]);
}

export function deskRequest({ script, words }: FileScript, input: Buffer): Buffer {
  const text = words.length === 0 ? script : `set -- ${quote(words)}\n${script}`;
  return Buffer.concat([Buffer.from(`${text}\0${input.length}\n`), input]);
}

/**
 * stdin: paths, NUL after each. A deep list comes packed where the machine can: it is a tenth then, six times a migration.
 * `isListed` says of its exit code whether the list came to its end.
 */
export function listScript(options: { deep: boolean }): FileScript {
  const list = findEach(options);
  if (!options.deep) return fileScript(list);
  return fileScript(`set -o pipefail; pack=cat; command -v gzip >/dev/null && pack='gzip -1'\n${list} | $pack`);
}

/** What find could not read it has complained of; a find that was killed has said nothing of the rest. */
export function isListed(exitCode: number): boolean {
  // xargs: 123 (elsewhere 1) for a command that failed, 125 for one that a signal has ended.
  return [0, 1, 123].includes(exitCode);
}

/** Where a path that was typed leads: its real path, what is there, and what its parent is; NUL after each. */
export function resolveScript(path: BytePath): FileScript {
  const script = `
real=$(realpath -mz -- "$1" | tr '\\0' '/'; printf x); real=\${real%/x}
kind() { if [ -d "$1" ]; then printf d; elif [ -e "$1" ]; then printf f; elif [ -L "$1" ]; then printf l; else printf -; fi; }
printf '%s\\0%s\\0%s\\0' "$real" "$(kind "$1")" "$(kind "\${real%/*}/")"`;
  return fileScript(script, [toBytes(path)]);
}

/** Bytes and files that still fit: "available-blocks block-bytes free-inodes". */
export function spaceScript(directory: BytePath): FileScript {
  return fileScript('stat -f -c "%a %S %d" -- "$1"', [toBytes(directory)]);
}

/** stdin: operations. Where `apply` is defined. */
export function applyScript(base: BytePath): FileScript {
  return fileScript('cd -- "$1" && apply', [toBytes(base)]);
}

/** stdin: names, NUL after each. stdout: an archive of them, and behind it what they are after the reading. */
export function readPackScript(base: BytePath): FileScript {
  const script = `
cd -- "$1" || exit
mapfile -d '' -t names
list() { printf './%s\\0' "\${names[@]}"; }
list | tar -c -S -f - --format=gnu --no-recursion --hard-dereference --warning=none --null -T -
list | { ${findEach({ deep: false })}; }
exit 0`;
  return fileScript(script, [toBytes(base)]);
}

/** The member of an archive that says what becomes of the others. */
export const LAST_MEMBER = 'then';

/** stdin: an archive. Unpacks it aside, does what its last member says, and leaves nothing aside. Prints what failed. */
export function writePackScript(base: BytePath, options: WritePackOptions): FileScript {
  const owner = options.keepOwner ? '--same-owner --numeric-owner' : '--no-same-owner';
  const script = `${DEFINE_APPLY}
cd -- "$1" || exit
rm -rf -- "$2"; mkdir -p -- "$2" || exit
tar -x -p -f - -C "$2" ${owner} && { [ ! -e "$2/${LAST_MEMBER}" ] || apply <"$2/${LAST_MEMBER}"; }
status=$?
rm -rf -- "$2"
exit "$status"`;
  return fileScript(script, [toBytes(base), toBytes(options.aside)]);
}

export interface WritePackOptions {
  /** A directory of its own, relative to the base. */
  aside: BytePath;
  keepOwner: boolean;
}

/** stdin: "offset length" lines. stdout: those bytes, one run after the other. */
export function readRangesScript(file: BytePath): FileScript {
  const script = `
while read -r offset length; do
  dd if="$1" bs=1M iflag=skip_bytes,count_bytes skip="$offset" count="$length" status=none || exit
done`;
  return fileScript(script, [toBytes(file)]);
}

/** stdin: "offset length" lines, each with its bytes behind it. */
export function writeRangesScript(file: BytePath): FileScript {
  const script = `
while read -r offset length; do
  dd of="$1" bs=256K iflag=fullblock,count_bytes count="$length" oflag=seek_bytes seek="$offset" \\
    conv=notrunc status=none || exit
done`;
  return fileScript(script, [toBytes(file)]);
}

/** stdin: "offset length" lines. stdout: "offset length sha256" lines, in any order. */
export function hashRangesScript(file: BytePath): FileScript {
  const script = `
export file=$1
xargs -r -n 2 -P 4 bash -o pipefail -c '
  sum=$(dd if="$file" bs=1M iflag=skip_bytes,count_bytes skip="$1" count="$2" status=none | sha256sum) || exit 0
  printf "%s %s %s\\n" "$1" "$2" "\${sum%% *}"' hash`;
  return fileScript(script, [toBytes(file)]);
}

/** stdin: names, NUL after each. stdout: "sha256  name" with NUL after each, in the same order. */
export function hashFilesScript(base: BytePath): FileScript {
  return fileScript('cd -- "$1" && xargs -0 -r sha256sum -z --', [toBytes(base)]);
}

/** stdout: the beginning of an archive with the file, which holds the map of its holes. */
export function mapScript(file: BytePath): FileScript {
  const script = `tar -c -S -f - --format=gnu -C / -- "\${1#/}" | head -c ${MAP_BYTES}; exit 0`;
  return fileScript(script, [toBytes(file)]);
}

/** A map of more than 80,000 regions is not worth having. */
const MAP_BYTES = 2 * 1024 * 1024;
