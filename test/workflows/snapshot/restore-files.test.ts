import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { type BytePath, fromText, toText } from '../../../src/instance/files/byte-path.ts';
import { changeScript, keepChangesScript } from '../../../src/instance/files/set-aside.ts';
import type { TreeEntry } from '../../../src/instance/files/tree-entry.ts';
import { LocalSide } from '../../../src/workflows/copy/local-side.ts';
import { byPath } from '../../../src/workflows/copy/trees.ts';
import { planRestore, type RestoreChanges } from '../../../src/workflows/snapshot/plan-restore.ts';
import { describeTree } from '../copy/support/awkward-tree.ts';

const RUN = 'restore-0a0b0c0d';
const top = mkdtempSync(join(tmpdir(), 'forgectl restore '));
afterAll(() => rmSync(top, { recursive: true, force: true }));

/** A machine's bash, with the workspace and the root where they are told. */
function runScript(root: string, script: string, count = Number.POSITIVE_INFINITY): number | null {
  // The program of a run that was cut has the cut in its text: the next one is fresh, as a new process would be.
  const fresh = `[ -e "$kept/program.py" ] && sed -i '/^import os, signal/,/^for _f in/d' "$kept/program.py"`;
  // Ends the program with a kill at its n-th change of a name.
  const cut = Number.isFinite(count)
    ? `sed -i '1s/^/import os, signal\\n_n = [${count}]\\ndef _cut(do):\\n    def act(*a, **k):\\n        _n[0] -= 1\\n        if _n[0] < 0: os.kill(os.getpid(), signal.SIGKILL)\\n        return do(*a, **k)\\n    return act\\nfor _f in ("rename", "unlink", "rmdir", "utime", "chmod"): setattr(os, _f, _cut(getattr(os, _f)))\\n/' "$kept/program.py"`
    : '';
  const [place, ...rest] = script.split('\n');
  // The disk need not have it: nothing loses power here.
  const text = ['sync() { :; }', place, fresh, cut, ...rest].join('\n');
  const env = { PATH: process.env['PATH'], ROOT: root, WORKSPACE: join(root, 'workspace') };
  const { status, stderr } = spawnSync('bash', ['-c', text], { env, encoding: 'utf8' });
  if (status !== 0 && !Number.isFinite(count)) throw new Error(stderr);
  return status;
}

type Kind =
  | { type: 'file'; text: string; mode: number; time: number }
  | { type: 'directory' }
  | { type: 'link'; to: string };
const words = ['a', 'b', 'c d', '.git', "x'y", 'é'];
const kind: fc.Arbitrary<Kind> = fc.oneof(
  fc.record({
    type: fc.constant('file' as const),
    text: fc.constantFrom('one', 'two', 'three!'),
    mode: fc.constantFrom(0o644, 0o600, 0o755),
    time: fc.constantFrom(1_600_000_000, 1_700_000_000),
  }),
  fc.record({ type: fc.constant('directory' as const) }),
  fc.record({ type: fc.constant('link' as const), to: fc.constantFrom('a', 'nowhere', '/etc') }),
);
const spec = fc.array(fc.tuple(fc.array(fc.constantFrom(...words), { minLength: 1, maxLength: 3 }), kind), {
  maxLength: 12,
});

function build(path: string, items: readonly (readonly [string[], Kind])[]): void {
  mkdirSync(path, { recursive: true });
  for (const [parts, what] of items) {
    const place = join(path, ...parts);
    try {
      mkdirSync(join(place, '..'), { recursive: true });
      if (what.type === 'directory') mkdirSync(place);
      else if (what.type === 'link') symlinkSync(what.to, place);
      else {
        writeFileSync(place, what.text, { flag: 'wx' });
        chmodSync(place, what.mode);
        utimesSync(place, what.time, what.time);
      }
    } catch {
      // Another entry is in the way: the tree is what the file system makes of it.
    }
  }
}

async function listOf(path: string): Promise<TreeEntry[]> {
  const base = fromText(path);
  const { entries } = await new LocalSide('/').list([base], { deep: true });
  return (entries.get(base) ?? []).sort(byPath);
}

async function changesOf(wanted: string, there: string): Promise<RestoreChanges> {
  return planRestore({
    wanted: await listOf(wanted),
    there: await listOf(there),
    tracked: [],
    compared: new Map(),
    isLeftOut: () => false,
  });
}

/** What the copy engine would do behind the plan: everything that is not there. */
function bring(wanted: string, workspace: string): void {
  const { status, stderr } = spawnSync('bash', ['-c', 'cp -a "$1/." "$2/"', 'bash', wanted, workspace], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(stderr);
}

describe('what a restore does to a machine’s files', () => {
  let number = 0;
  const world = (there: Parameters<typeof build>[1], wanted: Parameters<typeof build>[1]) => {
    number += 1;
    const root = join(top, String(number));
    build(join(root, 'workspace'), there);
    build(join(root, 'wanted'), wanted);
    return { root, workspace: join(root, 'workspace'), wanted: join(root, 'wanted') };
  };
  /** Times of directories change with what is in them. */
  const shown = (path: string): string[] =>
    describeTree(path).map((line) => line.replace(/ \d+ directory$/u, ' directory'));

  it('any tree over any other: the way there, the way back from any point, and the way back once more', async () => {
    await fc.assert(
      fc.asyncProperty(
        spec,
        spec,
        fc.nat(8),
        fc.nat(12),
        fc.boolean(),
        async (there, wanted, cutAside, cutBack, copied) => {
          const { root, workspace, wanted: source } = world(there, wanted);
          const before = shown(workspace);
          const changes = await changesOf(source, workspace);
          runScript(root, keepChangesScript(RUN, { ...changes, staging: null }));
          const wasCut = runScript(root, changeScript('aside', RUN), cutAside) !== 0;
          if (!wasCut && copied) {
            bring(source, workspace);
            const names = new Set((await listOf(workspace)).map(({ path }) => path));
            for (const { path } of await listOf(source)) expect(names.has(path), toText(path)).toBe(true);
          }
          runScript(root, changeScript('back', RUN), cutBack);
          runScript(root, changeScript('back', RUN));
          expect(shown(workspace)).toEqual(before);
          rmSync(root, { recursive: true });
        },
      ),
      { numRuns: Number(process.env['SNAPSHOT_RUNS'] ?? 2) },
    );
  });

  it('after the drop nothing is left of it', async () => {
    const file = (text: string): Kind => ({ type: 'file', text, mode: 0o644, time: 1_600_000_000 });
    const { root, workspace, wanted } = world(
      [
        [['a'], file('mine')],
        [['.git', 'x'], file('old')],
      ],
      [
        [['a'], file('other')],
        [['.git', 'y'], file('new')],
      ],
    );
    const changes = await changesOf(wanted, workspace);
    expect(changes.aside.map(toText).sort()).toEqual(['.git', 'a']);
    runScript(root, keepChangesScript(RUN, { ...changes, staging: null }));
    runScript(root, changeScript('aside', RUN));
    expect(readdirSync(workspace)).toEqual([`.forgectl-aside-${RUN}`]);
    bring(wanted, workspace);
    runScript(root, changeScript('drop', RUN));
    runScript(root, changeScript('drop', RUN));
    expect(readdirSync(workspace).sort()).toEqual(['.git', 'a']);
    expect(readdirSync(join(workspace, '.git'))).toEqual(['y']);
  });

  it('the way back, killed at each of its changes, goes on: at the last ones too, which drop what was written down', () => {
    const file: Kind = { type: 'file', text: 'mine', mode: 0o644, time: 1_600_000_000 };
    const { root: before } = world([[['a'], file]], []);
    const change = { aside: ['a' as BytePath], created: [], directories: [], attributes: [], times: [], staging: null };
    runScript(before, keepChangesScript(RUN, change));
    runScript(before, changeScript('aside', RUN));
    let wasCut = true;
    for (let count = 0; wasCut; count += 1) {
      const root = `${before} ${count}`;
      cpSync(before, root, { recursive: true });
      wasCut = runScript(root, changeScript('back', RUN), count) !== 0;
      runScript(root, changeScript('back', RUN));
      expect(readdirSync(join(root, 'workspace')), `killed at change ${count}`).toEqual(['a']);
      expect(existsSync(join(root, 'var/lib/forgectl/restores', RUN)), `killed at change ${count}`).toBe(false);
    }
  });

  it('nothing is done through a link that has come in between', async () => {
    const file: Kind = { type: 'file', text: 'x', mode: 0o644, time: 1_600_000_000 };
    const { root, workspace, wanted } = world([[['a', 'b'], file]], [[['a', 'b'], { ...file, text: 'long' }]]);
    const changes = await changesOf(wanted, workspace);
    runScript(root, keepChangesScript(RUN, { ...changes, staging: null }));
    rmSync(join(workspace, 'a'), { recursive: true });
    build(join(root, 'outside'), [[['b'], file]]);
    symlinkSync(join(root, 'outside'), join(workspace, 'a'));
    expect(() => runScript(root, changeScript('aside', RUN))).toThrow('a link lies on the way');
    expect(readdirSync(join(root, 'outside'))).toEqual(['b']);
  });

  it('of Forge’s own files those of another commit go; the user’s stay, and what the snapshot has left out', async () => {
    const entry = (path: string, type: TreeEntry['type'] = 'file'): TreeEntry => ({
      path: fromText(path),
      type,
      size: 1,
      mode: 0o644,
      mtimeNs: 0n,
      target: null,
      inode: null,
      allocatedBytes: 1,
      owner: { uid: 0, gid: 0 },
    });
    const forge = 'stable-diffusion-webui-forge';
    const directories = [entry('', 'directory'), entry(forge, 'directory')];
    const changes = planRestore({
      wanted: [...directories, entry(`${forge}/webui.py`)],
      there: [
        ...directories,
        ...['webui.py', 'newer.py', 'mine.png', 'model.ckpt'].map((name) => entry(`${forge}/${name}`)),
      ],
      tracked: ['webui.py', 'newer.py', 'model.ckpt'],
      compared: new Map(),
      isLeftOut: (path) => path.endsWith('.ckpt'),
    });
    expect(changes.aside).toEqual([`${forge}/newer.py` as BytePath]);
    expect(changes).toMatchObject({ keptFiles: 2, sameFiles: 1, created: [] });
  });
});
