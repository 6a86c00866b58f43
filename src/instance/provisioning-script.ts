import { quote } from './remote-command.js';
import { requiredName, TORCH_FAMILY } from './requirements.js';

/** What a machine is to have. Every word was checked by `provisioning-wishes`; it is quoted here all the same. */
export interface ProvisioningWishes {
  models: { url: string /** Below the Forge tree, or absolute. */; path: string; token: string | null }[];
  extensions: { url: string; name: string }[];
  pip: string[];
  apt: string[];
  /** Names of variables; their values are the machine's. */
  tokens: string[];
}

/** In a script, and in a manifest: torch as it is, as constraints. */
const CONSTRAINTS = `import importlib.metadata
for name in (${TORCH_FAMILY.map((name) => `"${name}"`).join(', ')}):
    try:
        print(name + "==" + importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        pass`;

/** A script for both generations of the image; run twice, it skips what is there. */
export function provisioningScript(wishes: ProvisioningWishes): string {
  const { models, extensions, pip, apt, tokens } = wishes;
  return [
    HEAD,
    ...tokens.map((name) => `[ -n "\${${name}-}" ] || echo "${name} is not set: what needs it will fail" >&2`),
    apt.length === 0 ? '' : APT,
    pip.length === 0 ? '' : PIP,
    extensions.length === 0 ? '' : CLONE,
    models.length === 0 ? '' : FETCH,
    ...(apt.length === 0 ? [] : [`apt_install ${quote(apt)}`]),
    ...(pip.length === 0 ? [] : [`pip_install ${quote(pip)}`]),
    ...extensions.map(({ url, name }) => `clone ${quote([url, name])}`),
    ...models.map(({ url, path, token }) => `fetch ${quote([url, path])}${token === null ? '' : ` ${token}`}`),
    'echo "Provisioned."',
    '',
  ]
    .filter((part, at, all) => part !== '' || at === all.length - 1)
    .join('\n');
}

const HEAD = `#!/bin/bash
# Written by forgectl provision init. It may run again: what is there already is skipped.
set -euo pipefail
WORKSPACE="\${WORKSPACE:-/workspace}"
FORGE="\${WORKSPACE%/}/stable-diffusion-webui-forge"
VENV="\${VIRTUAL_ENV:-/venv/main}"
set +u; . "$VENV/bin/activate" >/dev/null; set -u
again() { # Five tries, with longer pauses.
  local try
  for try in 1 2 3 4 5; do
    "$@" && return 0
    echo "Failed (try $try of 5): $1" >&2
    [ "$try" = 5 ] || sleep "$((try * \${RETRY_PAUSE:-5}))"
  done
  return 1
}`;

const APT = `apt_install() {
  dpkg -s -- "\${@%%=*}" >/dev/null 2>&1 && { echo "There already: $*"; return 0; }
  again apt-get update
  DEBIAN_FRONTEND=noninteractive again apt-get install -y --no-install-recommends -- "$@"
}`;

const PIP = `pip_install() { # The image's torch fits its card and driver: nothing may replace it.
  local held
  held=$(mktemp)
  "$VENV/bin/python" -c '${CONSTRAINTS}' >"$held"
  if command -v uv >/dev/null 2>&1; then again uv pip install --python "$VENV/bin/python" --constraint "$held" -- "$@"
  else again "$VENV/bin/python" -m pip install --no-input --constraint "$held" -- "$@"; fi
  rm -f -- "$held"
}`;

const CLONE = `clone() { # ADDRESS NAME
  local place="$FORGE/extensions/$2"
  [ -e "$place" ] && { echo "There already: $place"; return 0; }
  again clone_once "$1" "$place"
}
clone_once() {
  rm -rf -- "\${2:?}.part"
  mkdir -p -- "$(dirname -- "$2")"
  GIT_TERMINAL_PROMPT=0 git clone --quiet --recursive -- "$1" "$2.part" && mv -T -- "$2.part" "$2"
}`;

/** curl reads the token from its stdin: it is in no list of processes. A part that cannot be continued is begun anew. */
const FETCH = `fetch() { # ADDRESS PLACE [NAME-OF-TOKEN]
  local place=$2
  case $place in /*) ;; *) place="$FORGE/$place" ;; esac
  [ -s "$place" ] && { echo "There already: $place"; return 0; }
  mkdir -p -- "$(dirname -- "$place")"
  echo "Fetching $place"
  again fetch_once "$1" "$place" "\${3-}"
}
fetch_once() {
  local token= status=0
  [ -z "$3" ] || token=\${!3-}
  case $token in *[!A-Za-z0-9._~+/=-]*) echo "$3 holds a character that no token has" >&2; return 1 ;; esac
  { [ -z "$token" ] || printf 'header = "Authorization: Bearer %s"\\n' "$token"; } |
    curl -fsSL --globoff --config - --continue-at - --output "$2.part" --url "$1" || status=$?
  case $status in 0) mv -- "$2.part" "$2" ;; 33|36) rm -f -- "$2.part" ;; 22) [ ! -s "$2.part" ] || rm -f -- "$2.part" ;; esac
  return "$status"
}`;

/** For the image's newer provisioner. What `\${…}` means to it no word here may hold. */
export function provisioningManifest({ models, extensions, pip, apt, tokens }: ProvisioningWishes): string {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the provisioner's, not ours
  const workspace = '${WORKSPACE:-/workspace}/stable-diffusion-webui-forge';
  const text = (value: string): string => JSON.stringify(value);
  const place = (path: string): string => text(path.startsWith('/') ? path : `${workspace}/${path}`);
  const list = (name: string, entries: readonly string[]): string[] =>
    entries.length === 0 ? [] : [`${name}:`, ...entries];
  return [
    '# Written by forgectl provision init, for the provisioner of newer images.',
    ...tokens.map((name) => `# Uses the variable ${name}.`),
    'version: 1',
    ...list(
      'apt_packages',
      apt.map((name) => `  - ${text(name)}`),
    ),
    ...list(
      'git_repos',
      extensions.flatMap(({ url, name }) => [`  - url: ${text(url)}`, `    dest: ${place(`extensions/${name}`)}`]),
    ),
    ...list(
      'downloads',
      models.flatMap(({ url, path }) => [`  - url: ${text(url)}`, `    dest: ${place(path)}`]),
    ),
    ...list('post_commands', pip.length === 0 ? [] : [`  - ${text(heldInstall(pip))}`]),
    '',
  ].join('\n');
}

/** The provisioner's own pip step knows no constraints that are made on the machine. */
function heldInstall(pip: readonly string[]): string {
  const python = '/venv/main/bin/python';
  return [
    'held=$(mktemp)',
    `${python} -c ${quote([CONSTRAINTS])} >"$held"`,
    `if command -v uv >/dev/null 2>&1; then uv pip install --python ${python} --constraint "$held" -- ${quote(pip)}; else ${python} -m pip install --no-input --constraint "$held" -- ${quote(pip)}; fi`,
  ].join(' && ');
}

/** A package of an index or a repository, which is not torch. Null when it is fine; else what is wrong with it. */
export function pipProblem(word: string): string | null {
  const name = requiredName(word);
  if (name !== null && (TORCH_FAMILY as readonly string[]).includes(name)) return 'torch stays as the image has it';
  const isPackage =
    /^[A-Za-z0-9][\w.-]*(?:\[[\w,.-]+\])?(?:(?:[<>=!~]=?|===)[\w.*+!-]+(?:,(?:[<>=!~]=?|===)[\w.*+!-]+)*)?$/u.test(
      word,
    );
  const isAddress = /^(?:[A-Za-z0-9][\w.-]*(?:\[[\w,.-]+\])? @ )?(?:git\+)?https:\/\/[^\s'"\\$`{}]+$/u.test(word);
  return isPackage || isAddress ? null : 'not a package, like name, name==1.2 or git+https://…';
}
