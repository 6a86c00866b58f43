import { DROP_BALLAST, keptFor } from './checkout-steps.js';
import { REMOTE } from './layout.js';
import { quote } from './remote-command.js';
import { isTorchLine, TORCH_FAMILY } from './requirements.js';
import { unreadable } from './unreadable.js';

/**
 * Packages of the machine's own python: what is there, a copy of some, and putting that copy back. Without pip and
 * without a network: a package is the files that its RECORD names. Conda's own are seen as well; other prefixes are not.
 */
const GUARD = `import importlib.metadata, json, os, re, shutil, sys, sysconfig, tarfile
PREFIX = os.path.realpath(sys.prefix)

def inside(path):
    return os.path.abspath(path).startswith((PREFIX + os.sep, os.path.abspath(sys.prefix) + os.sep))

def found():
    all = {}
    for dist in importlib.metadata.distributions():
        name = dist.metadata['Name']
        place = getattr(dist, '_path', None)
        if name and place is not None and inside(str(place)):
            all.setdefault(re.sub(r'[-_.]+', '-', name).lower(), dist)
    return all

def files(dist):
    own = [str(dist.locate_file(file)) for file in dist.files or []]
    if not own:
        own = [os.path.join(base, name) for base, _, names in os.walk(str(dist._path)) for name in names] or [str(dist._path)]
    return [os.path.abspath(path) for path in own if inside(path)]

def versions():
    return {name: dist.version for name, dist in sorted(found().items())}

def backup(kept, names):
    all = found()
    draft = os.path.join(kept, 'packages.tar.new')
    with tarfile.open(draft, 'w') as archive:
        for name in names:
            for path in files(all[name]) if name in all else []:
                if os.path.lexists(path):
                    archive.add(path, os.path.relpath(path, sys.prefix), recursive=False)
    with open(draft, 'rb') as file:
        os.fsync(file.fileno())
    os.replace(draft, os.path.join(kept, 'packages.tar'))

def remove(dist):
    for path in files(dist):
        if os.path.lexists(path):
            os.remove(path)
        folder = os.path.dirname(path)
        while inside(folder) and os.path.isdir(folder) and set(os.listdir(folder)) <= {'__pycache__'}:
            shutil.rmtree(folder, ignore_errors=True)
            folder = os.path.dirname(folder)
    if os.path.isdir(str(dist._path)):
        shutil.rmtree(str(dist._path), ignore_errors=True)

def drop_leftovers():
    # pip moves what it replaces aside as ~name; a killed one leaves it there.
    for place in {sysconfig.get_path('purelib'), sysconfig.get_path('platlib')}:
        for name in os.listdir(place):
            if name.startswith('~'):
                shutil.rmtree(os.path.join(place, name), ignore_errors=True)

def places():
    return {sysconfig.get_path(name) for name in ('purelib', 'platlib', 'scripts')}

def walk(act):
    for place in places():
        for base, folders, names in os.walk(place):
            folders[:] = [name for name in folders if name != '__pycache__' and act(os.path.join(base, name))]
            for name in names:
                act(os.path.join(base, name))

def list_files(kept):
    found = []
    walk(lambda path: found.append(os.path.relpath(path, sys.prefix)) or not os.path.islink(path))
    write(os.path.join(kept, 'files.json'), found)

def drop_new_files(kept):
    # An installer that was stopped leaves files that belong to no package.
    listed = os.path.join(kept, 'files.json')
    if not os.path.exists(listed):
        return
    with open(listed) as file:
        before = set(json.load(file))
    def drop(path):
        if os.path.relpath(path, sys.prefix) in before:
            return not os.path.islink(path)
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path, ignore_errors=True)
        else:
            os.remove(path)
        return False
    walk(drop)

def write(path, facts):
    with open(path + '.new', 'w') as file:
        json.dump(facts, file)
    os.replace(path + '.new', path)

def restore(kept):
    drop_leftovers()
    with open(os.path.join(kept, 'versions.json')) as file:
        before = json.load(file)
    saved = os.path.join(kept, 'packages.tar')
    if os.path.exists(saved):
        with tarfile.open(saved) as archive:
            for name, dist in found().items():
                if before.get(name) != dist.version:
                    remove(dist)
            for member in archive.getmembers():
                if member.name.startswith('/') or '..' in member.name.split('/'):
                    continue
                place = os.path.join(sys.prefix, member.name)
                if os.path.lexists(place):
                    os.remove(place)
                archive.extract(member, sys.prefix)
    drop_new_files(kept)
    importlib.invalidate_caches()
    now = versions()
    wrong = sorted(name for name in set(before) | set(now) if before.get(name) != now.get(name))
    for name in wrong:
        print('%s: %s was %s' % (name, now.get(name), before.get(name)), file=sys.stderr)
    sys.exit(1 if wrong else 0)

verb, kept = sys.argv[1], sys.argv[2]
if verb == 'record':
    list_files(kept)
    write(os.path.join(kept, 'versions.json'), versions())
elif verb == 'backup':
    backup(kept, sys.argv[3:])
elif verb == 'restore':
    restore(kept)
`;

const python = (verb: string): string => `"${REMOTE.python}" "$kept/guard.py" ${verb} "$kept"`;

/** More than git, python and the logs need to put things back, less than anybody misses. Random: zeros take no room everywhere. */
const BALLAST_BYTES = 16 * 1024 * 1024;

/** The packages as they are now: versions for us, and a freeze as pip writes it for people. Takes room for the way back. */
export function recordPackagesScript(run: string): string {
  return `${keptFor(run)}umask 077
mkdir -p "$kept" || exit 1
base64 -d >"$kept/guard.py" <<'FORGECTL_GUARD' || exit 1
${Buffer.from(GUARD)
  .toString('base64')
  .replace(/.{1,76}/gu, '$&\n')
  .trimEnd()}
FORGECTL_GUARD
[ -e "$kept/versions.json" ] && exit 0
head -c ${BALLAST_BYTES} /dev/urandom >"$kept/ballast" || exit 1
if command -v uv >/dev/null 2>&1; then uv pip freeze --python "${REMOTE.python}" >"$kept/freeze.txt" 2>/dev/null
else "${REMOTE.python}" -m pip freeze >"$kept/freeze.txt" 2>/dev/null; fi
${python('record')}
`;
}

export type Installer = 'uv' | 'pip';

export interface InstallOptions {
  installer: Installer;
  /** Packages that go. */
  remove?: readonly string[];
  /** False: the lines and nothing that they ask for. */
  withDependencies?: boolean;
}

/**
 * Work for a detached job: installs the lines under constraints that hold torch, after a copy of whatever the installer
 * says that it will replace. Its exit code is the installer's; nothing was touched when the dry run fails.
 */
export function installWork(
  run: string,
  lines: readonly string[],
  { installer, remove = [], withDependencies = true }: InstallOptions,
): string {
  if (remove.some((name) => !/^[a-z0-9][a-z0-9-]*$/u.test(name)))
    throw unreadable('what it named as a package is none');
  const text = Buffer.from(`${lines.join('\n')}\n`).toString('base64');
  const held = TORCH_FAMILY.map((name) => `'${name}'`).join(', ');
  return `${keptFor(run)}umask 022
WORKSPACE=\${WORKSPACE:-$ROOT/workspace}
cd "$kept" || exit 1
printf '%s' '${text}' | base64 -d >"$kept/install.txt" || exit 1
"${REMOTE.python}" - "$kept/versions.json" >"$kept/constraints.txt" <<'HOLD' || exit 1
import json, sys
versions = json.load(open(sys.argv[1]))
for name in (${held}):
    if name in versions:
        print('%s==%s' % (name, versions[name]))
HOLD
${installer === 'uv' ? UV : PIP}
alone=${withDependencies ? '' : '--no-deps'}
remove=${quote([remove.join(' ')])}
names=
${lines.length === 0 ? '' : 'would >"$kept/plan.txt" || { status=$?; cat "$kept/plan.txt"; exit $status; }\nnames=$(changed_names) || exit 1'}
names="$names $remove"
printf '%s\\n' $names >"$kept/names"
${python('backup')} $names || exit 1
[ -z "$remove" ] || uninstall $remove || exit $?
${lines.length === 0 ? '' : 'install'}
`;
}

const PIP = `
would() { "${REMOTE.python}" -m pip install --disable-pip-version-check --no-input --dry-run $alone --quiet --report "$kept/plan.json" -r "$kept/install.txt" -c "$kept/constraints.txt"; }
changed_names() { "${REMOTE.python}" -c 'import json, re, sys
print(" ".join(re.sub(r"[-_.]+", "-", item["metadata"]["name"]).lower() for item in json.load(open(sys.argv[1]))["install"]))' "$kept/plan.json"; }
install() { "${REMOTE.python}" -m pip install --disable-pip-version-check --no-input $alone -r "$kept/install.txt" -c "$kept/constraints.txt"; }
uninstall() { "${REMOTE.python}" -m pip uninstall --disable-pip-version-check --no-input -y "$@"; }`;

/** uv says on stderr, a line a package: " - name==1" and " + name==2". */
const UV = `
would() { uv pip install --python "${REMOTE.python}" --dry-run $alone -r "$kept/install.txt" -c "$kept/constraints.txt" 2>&1 | tee "$kept/plan.out"; return "\${PIPESTATUS[0]}"; }
changed_names() { sed -n 's/\\x1b\\[[0-9;]*m//g; s/^ *[-+~] *\\([A-Za-z0-9._-]*\\)[=@ ].*/\\1/p' "$kept/plan.out" | tr 'A-Z_.' 'a-z--' | sort -u | tr '\\n' ' '; }
install() { uv pip install --python "${REMOTE.python}" $alone -r "$kept/install.txt" -c "$kept/constraints.txt"; }
uninstall() { uv pip uninstall --python "${REMOTE.python}" "$@"; }`;

/** Prints "NAME VERSION" for each package that the run's installation replaced, as it was before. */
export function replacedPackagesScript(run: string): string {
  return `${keptFor(run)}[ -e "$kept/names" ] || exit 0
"${REMOTE.python}" - "$kept/names" "$kept/versions.json" <<'REPLACED'
import json, sys
versions = json.load(open(sys.argv[2]))
for name in open(sys.argv[1]).read().split():
    if name in versions:
        print(name, versions[name])
REPLACED
`;
}

/** The lines that ask for just these versions again. */
export function parseReplaced(output: string): string[] {
  return output.split('\n').flatMap((line) => {
    const match = /^([a-z0-9][a-z0-9-]*) ([\w.!+-]+)$/u.exec(line.trim());
    return match === null || isTorchLine(match[1] ?? '') ? [] : [`${match[1]}==${match[2]}`];
  });
}

/** Exit 1 when the packages are not what they were; which ones, is on stderr. */
export function restorePackagesScript(run: string): string {
  return `${keptFor(run)}${DROP_BALLAST}[ -e "$kept/versions.json" ] || exit 0
${python('restore')}
`;
}
