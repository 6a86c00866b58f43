import { Facts, SAY_FACTS } from '../facts.js';
import { quote } from '../remote-command.js';

/** What a machine tells of its variables. */
export interface MachineEnvironment {
  /** Of the file, links followed. */
  path: string;
  exists: boolean;
  /** As `stat` prints it, e.g. 600. */
  mode: string | null;
  bytes: Buffer;
  /** /etc/environment as services mean it. */
  image: ReadonlyMap<string, string>;
  /** The same with .env on top: what a service starts with. */
  loaded: ReadonlyMap<string, string>;
}

/** Larger than what people write. */
export const MAX_BYTES = 256 * 1024;

/** A variable of the user may have any name but forgectl_*; the file's place is the image's matter. */
const FUNCTIONS = `forgectl_clean() {
  local forgectl_name
  while IFS= read -r forgectl_name; do
    case $forgectl_name in PATH|HOME|ROOT|FORGECTL_ROOT) ;; *) unset "$forgectl_name" 2>/dev/null ;; esac
  done < <(compgen -e)
  [ -r "$ROOT/etc/environment" ] && forgectl_load "$ROOT/etc/environment"
  export WORKSPACE="\${WORKSPACE:-$ROOT/workspace}"
}
forgectl_state() {
  if [ -n "\${!1+x}" ]; then printf '='; printf %s "\${!1}" | base64 | tr -d '\\n'; else printf unset; fi
}
file=$(forgectl_clean; printf %s "\${WORKSPACE%/}/.env")
[ -L "$file" ] && file=$(readlink -f "$file" 2>/dev/null || printf %s "$file")
`;

/** Needs the environment script, which every MachineSession script has. Values stay in one stream, never in argv. */
export function readDotenvScript(): string {
  return `${SAY_FACTS}${FUNCTIONS}
put path "$file"
if [ -e "$file" ]; then
  [ -r "$file" ] && [ -f "$file" ] || { put unreadable 1; exit 0; }
  [ "$(wc -c <"$file")" -le ${MAX_BYTES} ] || { put large 1; exit 0; }
  put mode "$(stat -c %a "$file" 2>/dev/null || stat -f %Lp "$file" 2>/dev/null)"
  base64 <"$file" | emit file
fi
( forgectl_clean; /usr/bin/env -0 | base64 | emit image )
( forgectl_clean; [ -r "$file" ] && forgectl_source "$file"; /usr/bin/env -0 | base64 | emit loaded )
exit 0
`;
}

/** Null when the file cannot be read at all. */
export function parseDotenvAnswer(
  output: string,
): MachineEnvironment | { problem: 'unreadable' | 'large'; path: string } {
  const facts = new Facts(output);
  const path = facts.raw('path') ?? '.env';
  if (facts.has('unreadable')) return { problem: 'unreadable', path };
  if (facts.has('large')) return { problem: 'large', path };
  return {
    path,
    exists: facts.has('file'),
    mode: facts.text('mode'),
    bytes: bytesOf(facts, 'file'),
    image: variablesOf(facts, 'image'),
    loaded: variablesOf(facts, 'loaded'),
  };
}

/** Facts are text; what need not be text comes as base64 in them. */
function bytesOf(facts: Facts, key: string): Buffer {
  return Buffer.from(facts.raw(key) ?? '', 'base64');
}

function variablesOf(facts: Facts, key: string): Map<string, string> {
  const pairs = bytesOf(facts, key).toString('utf8').split('\0').filter(Boolean);
  const own = pairs.filter((pair) => !/^(?:_|PATH|HOME|ROOT|FORGECTL_ROOT|SHLVL|PWD|OLDPWD)=/u.test(pair));
  return new Map(own.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]));
}

export interface DotenvWrite {
  before: Buffer;
  after: Buffer;
  /** What a shell must read from the new file: null for what it must not set. */
  expected: ReadonlyMap<string, string | null>;
}

export type DotenvWriteAnswer =
  | { outcome: 'written' | 'changed' | 'busy' | 'syntax' }
  | { outcome: 'not_read_back'; names: string[] }
  | { outcome: 'failed'; said: string };

/**
 * Puts the file in its place in one move, and only over the one that was read. A shell reads it first, and what it must
 * find is compared there. Sent twice, the second finds its work done.
 */
export function writeDotenvScript({ before, after, expected }: DotenvWrite): string {
  const gone = [...expected.keys()].filter((name) => expected.get(name) === null);
  const checks = [...expected].map(([name, value]) => {
    const wanted = value === null ? `"$forgectl_was_${name}"` : `'=${Buffer.from(value, 'utf8').toString('base64')}'`;
    return `[ "$(forgectl_state ${quote([name])})" = ${wanted} ] || echo ${quote([name])}`;
  });
  return `${SAY_FACTS}${FUNCTIONS}
umask 077
fail() { put failed "$1"; exit 0; }
old='${before.toString('base64')}'
now=$([ -e "$file" ] && base64 <"$file" | tr -d '\\n')
new=$(cat <<'END' | tr -d '\\n'
${lined(after.toString('base64'))}
END
)
[ "$now" = "$new" ] && [ -e "$file" ] && { chmod 600 "$file"; put written 1; exit 0; }
lock="$ROOT/var/lib/forgectl/env.lock"
mkdir -p "$ROOT/var/lib/forgectl" || fail "there is no place for a lock"
[ -n "$(find "$lock" -maxdepth 0 -mmin +1 2>/dev/null)" ] && rmdir "$lock" 2>/dev/null
mkdir "$lock" 2>/dev/null || { put busy 1; exit 0; }
draft="$file.forgectl-$$"
trap 'rm -f "$draft"; rmdir "$lock" 2>/dev/null' EXIT
[ "$([ -e "$file" ] && base64 <"$file" | tr -d '\\n')" = "$old" ] || { put changed 1; exit 0; }
printf '%s\\n' "$new" | base64 -d >"$draft" 2>/dev/null || fail "the file cannot be written (is the disk full?)"
[ "$(base64 <"$draft" | tr -d '\\n')" = "$new" ] || fail "the file cannot be written (is the disk full?)"
bash --noprofile --norc -n "$draft" 2>/dev/null || { put syntax 1; exit 0; }
wrong=$(
  forgectl_clean
  ${gone.map((name) => `forgectl_was_${name}=$(forgectl_state ${quote([name])})`).join('\n  ')}
  forgectl_source "$draft"
  ${checks.join('\n  ')}
)
[ -z "$wrong" ] || { put wrong "$wrong"; exit 0; }
if [ -e "$file" ]; then chown --reference="$file" "$draft" 2>/dev/null || chown "$(stat -f %u:%g "$file" 2>/dev/null)" "$draft" 2>/dev/null; fi
chmod 600 "$draft"
mv -f "$draft" "$file" || fail "the file cannot be put in its place"
put written 1
exit 0
`;
}

/** Short lines for the way there. */
function lined(text: string): string {
  return text.match(/.{1,2000}/gu)?.join('\n') ?? '';
}

export function parseWriteAnswer(output: string): DotenvWriteAnswer {
  const facts = new Facts(output);
  for (const outcome of ['written', 'changed', 'busy', 'syntax'] as const) if (facts.has(outcome)) return { outcome };
  if (facts.has('wrong')) return { outcome: 'not_read_back', names: facts.lines('wrong') };
  return { outcome: 'failed', said: facts.text('failed') ?? 'the machine did not say why' };
}
