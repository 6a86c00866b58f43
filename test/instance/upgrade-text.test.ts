import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkRef, pullNumber, type RemoteRefs, resolveRef } from '../../src/instance/git-ref.ts';
import { compareRequirements, isTorchLine, linesToInstall, requiredName } from '../../src/instance/requirements.ts';

const REFS: RemoteRefs = {
  heads: new Map([
    ['main', 'a1'],
    ['dev', 'b2'],
    ['both', 'c3'],
    ['12', 'd4'],
  ]),
  tags: new Map([
    ['v1.0', 'e5'],
    ['both', 'f6'],
  ]),
  defaultBranch: 'main',
  missing: new Map([
    ['main', 0],
    ['dev', 0],
    ['both', 3],
    ['12', 9],
  ]),
  sha: null,
  pull: null,
};

describe('a ref', () => {
  it.each([
    [null, { sha: 'a1', branch: 'main' }],
    ['main', { sha: 'a1', branch: 'main' }],
    ['origin/dev', { sha: 'b2', branch: 'dev' }],
    ['refs/heads/dev', { sha: 'b2', branch: 'dev' }],
    ['v1.0', { sha: 'e5', name: 'tag v1.0' }],
    ['tags/v1.0', { sha: 'e5' }],
    ['origin/both', { sha: 'c3' }],
    ['tags/both', { sha: 'f6' }],
    ['12', { sha: 'd4', branch: '12' }],
  ])('%s is one commit', (ref, expected) => {
    expect(resolveRef(ref, REFS)).toMatchObject(expected);
  });

  it('that is a branch and another tag is ambiguous; one that is nowhere is told with what there is', () => {
    expect(() => resolveRef('both', REFS)).toThrow(/a branch and a tag/u);
    expect(() => resolveRef('nothing', REFS)).toThrow(/no branch, tag, commit or pull request/u);
  });

  it('may be a pull request or a sha, after branches and tags', () => {
    expect(resolveRef('#7', { ...REFS, pull: 'p7' })).toMatchObject({ sha: 'p7', name: 'pull request 7' });
    expect(resolveRef('7', { ...REFS, pull: 'p7', sha: '7abc' })).toMatchObject({ sha: 'p7' });
    expect(resolveRef('7abcdef', { ...REFS, sha: '7abcdef0' })).toMatchObject({ sha: '7abcdef0', name: 'commit' });
    expect(pullNumber('pull/7/head')).toBe(7);
    expect(pullNumber('v7')).toBeNull();
  });

  it('of a variant without "main": the branch that has the checkout’s commits', () => {
    const neo: RemoteRefs = {
      ...REFS,
      heads: new Map([
        ['classic', 'a1'],
        ['neo', 'b2'],
      ]),
      defaultBranch: 'classic',
      missing: new Map([
        ['classic', 900],
        ['neo', 0],
      ]),
    };
    expect(resolveRef(null, neo)).toMatchObject({ sha: 'b2', branch: 'neo' });
  });

  it('never becomes an option or a second word', () => {
    for (const bad of ['', '-f', '--upload-pack=x', 'a b', 'a..b', 'a\nb', 'x@{1}', 'a^', '/a', 'a/', '.a', 'a.lock'])
      expect(() => checkRef(bad)).toThrow(/cannot be a git ref/u);
    for (const good of ['main', 'feature/x', 'v1.0-rc.1', '☃', '#12', 'origin/main']) expect(checkRef(good)).toBe(good);
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          expect(checkRef(text)).toMatch(/^[^-\s][^\s]*$/u);
        } catch (error) {
          expect(String(error)).toContain('cannot be a git ref');
        }
      }),
    );
  });
});

const OLD =
  'torch\nsetuptools==69.5.1\ngradio==4.40.0 # ui\nDiffusers==0.31.0\nonly-old\n-e git+https://host.invalid/x#egg=x\n';
const NEW = `--extra-index-url https://wheels.invalid/simple
torch==2.6.0
torchvision>=0.2
setuptools==69.5.1
gradio==4.44.1
diffusers==0.31.0
pkg @ https://host.invalid/pkg.whl
new_thing>=1; \\
  python_version>"3.8"
`;

describe('requirements', () => {
  it('are compared by the names that pip compares', () => {
    const { added, removed, changed } = compareRequirements(OLD, NEW);
    expect(changed.map(({ name }) => name)).toEqual(['torch', 'gradio', 'diffusers']);
    expect(added.map(({ name }) => name)).toContain('new-thing');
    expect(removed.map(({ name }) => name)).toEqual(['only-old', '-e git+https://host.invalid/x#egg=x']);
  });

  it('to install are those that changed, never torch, with the file’s own indexes', () => {
    expect(linesToInstall(OLD, NEW)).toEqual([
      '--extra-index-url https://wheels.invalid/simple',
      'pkg @ https://host.invalid/pkg.whl',
      'new_thing>=1;    python_version>"3.8"',
      'gradio==4.44.1',
      'diffusers==0.31.0',
    ]);
    expect(linesToInstall(NEW, NEW)).toEqual([]);
  });

  it.each(['torch', 'Torch==2', 'torchvision >=1', 'torchaudio~=2', 'torchcodec;x', 'torch[cuda]==1'])(
    '%s is of the torch family',
    (line) => expect(isTorchLine(line)).toBe(true),
  );

  it.each(['torchsde==0.2', 'pytorch-lightning', '# torch', '-r torch.txt', 'open-clip-torch==2'])(
    '%s is not',
    (line) => expect(isTorchLine(line)).toBe(false),
  );

  it('whatever a file holds, nothing of the torch family is installed', () => {
    const line = fc.oneof(
      fc.constantFrom('torch', 'torch==2.1', 'torchvision', 'a==1', 'b', '# c', '--pre', '-r more.txt', ''),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.array(line), fc.array(line), (old, fresh) => {
        const lines = linesToInstall(old.join('\n'), fresh.join('\n'));
        for (const one of lines) expect(['torch', 'torchvision']).not.toContain(requiredName(one));
      }),
    );
  });
});
