#!/usr/bin/env python3
"""A uv for machines without one: takes the words that uv's own reference knows for these commands and that forgectl uses,
refuses all others, and lets pip do the work. Its calls are kept in ../uv-calls beside its folder."""
import json, os, re, subprocess, sys

WORDS = sys.argv[1:]
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'uv-calls'), 'a') as calls:
    calls.write(json.dumps(WORDS) + '\n')


def refuse(text):
    sys.stderr.write('error: %s\n' % text)
    sys.exit(2)


# https://docs.astral.sh/uv/reference/cli/#uv-pip : the name, and whether a value follows.
KNOWN = {
    'install': {'--python': True, '-p': True, '--requirements': True, '-r': True, '--constraints': True, '-c': True, '--dry-run': False, '--no-deps': False},
    'uninstall': {'--python': True, '-p': True, '--dry-run': False},
    'freeze': {'--python': True, '-p': True},
}
if WORDS[:1] != ['pip'] or len(WORDS) < 2 or WORDS[1] not in KNOWN:
    refuse('unrecognized subcommand %r' % ' '.join(WORDS[:2]))
verb, options, names = WORDS[1], [], []
rest = WORDS[2:]
while rest:
    word = rest.pop(0)
    if not word.startswith('-'):
        names.append(word)
        continue
    if word not in KNOWN[verb]:
        refuse('unexpected argument %r found' % word)
    if KNOWN[verb][word] and not rest:
        refuse("a value is required for '%s'" % word)
    options.append((word, rest.pop(0) if KNOWN[verb][word] else None))
given = dict(options)
python = given.pop('--python', given.pop('-p', None))
if python is None or not os.path.exists(python):
    refuse('No virtual environment found; run `uv venv` to create an environment, or pass `--system`')
if verb == 'freeze' and names:
    refuse('unexpected argument %r found' % names[0])
if verb == 'install' and not names and '-r' not in given:
    refuse('the following required arguments were not provided: <PACKAGE|--requirements <REQUIREMENTS>>')
if verb == 'uninstall' and not names:
    refuse('the following required arguments were not provided: <PACKAGE>')
PIP = [python, '-m', 'pip', '--disable-pip-version-check', '--no-input']


def installed():
    text = subprocess.run(PIP + ['list', '--format', 'json'], capture_output=True, text=True, check=True).stdout
    return {re.sub(r'[-_.]+', '-', one['name']).lower(): one['version'] for one in json.loads(text)}


def say_changes(before, after):
    for name in sorted(set(before) | set(after)):
        if before.get(name) == after.get(name):
            continue
        if name in before:
            sys.stderr.write(' - %s==%s\n' % (name, before[name]))
        if name in after:
            sys.stderr.write(' + %s==%s\n' % (name, after[name]))


before = installed()
if verb == 'freeze':
    for name, version in sorted(before.items()):
        print('%s==%s' % (name, version))
    sys.exit(0)
words = [part for word, value in options if word not in ('--python', '-p', '--dry-run') for part in ([word] if value is None else [word, value])]
words = [{'--requirements': '-r', '--constraints': '-c'}.get(word, word) for word in words]
if verb == 'uninstall':
    ran = subprocess.run(PIP + ['uninstall', '-y'] + names, capture_output=True, text=True)
else:
    extra = ['--dry-run', '--report', '-'] if '--dry-run' in given else []
    ran = subprocess.run(PIP + ['install', '--quiet'] + extra + words + names, capture_output=True, text=True)
if ran.returncode != 0:
    sys.stderr.write('  × No solution found when resolving dependencies:\n' + ran.stderr)
    sys.exit(1)
if verb == 'install' and '--dry-run' in given:
    plan = {re.sub(r'[-_.]+', '-', one['metadata']['name']).lower(): one['metadata']['version'] for one in json.loads(ran.stdout)['install']}
    sys.stderr.write('Resolved %d packages in 12ms\nWould download %d packages\nWould install %d packages\n' % ((len(plan),) * 3))
    say_changes({name: before[name] for name in plan if name in before}, plan)
    if not plan:
        sys.stderr.write('Would make no changes\n')
else:
    say_changes(before, installed())
