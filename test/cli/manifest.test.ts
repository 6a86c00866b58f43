import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string): Record<string, never> => JSON.parse(readFileSync(join(root, path), 'utf8'));

it('oclif.manifest.json is what the commands say now', () => {
  const copy = mkdtempSync(join(tmpdir(), 'forgectl-manifest-'));
  try {
    for (const part of ['dist', 'package.json', 'bin']) cpSync(join(root, part), join(copy, part), { recursive: true });
    symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
    execFileSync(process.execPath, [join(root, 'node_modules/oclif/bin/run.js'), 'manifest'], {
      cwd: copy,
      env: { PATH: process.env['PATH'], HOME: copy, OCLIF_SKIP_NEW_VERSION_CHECK: 'true' },
      stdio: 'pipe',
    });
    expect(JSON.parse(readFileSync(join(copy, 'oclif.manifest.json'), 'utf8'))).toEqual(read('oclif.manifest.json'));
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
});

// Elsewhere the tree may be one without history (a tarball), or one that somebody works in.
it.runIf(process.env['CI'] === 'true')('the committed manifest is the one that was built', () => {
  const words = ['-C', root, 'status', '--porcelain', '--', 'oclif.manifest.json', 'package-lock.json'];
  expect(execFileSync('git', words, { encoding: 'utf8' })).toBe('');
});

it('the lock file fits package.json, pins exactly, has a hash of each package, and names no registry', () => {
  const { dependencies, devDependencies } = read('package.json') as unknown as Record<string, Record<string, string>>;
  // All of them are in the bundle.
  expect(dependencies).toBeUndefined();
  const lock = read('package-lock.json') as unknown as {
    packages: Record<string, { devDependencies?: object; resolved?: string; integrity?: string; link?: boolean }>;
  };
  expect(lock.packages['']?.devDependencies).toEqual(devDependencies);
  for (const version of Object.values(devDependencies ?? {})) expect(version).toMatch(/^\d+\.\d+\.\d+/u);
  const installed = Object.entries(lock.packages).filter(([place, { link }]) => place !== '' && link !== true);
  expect(installed.length).toBeGreaterThan(400);
  expect(installed.filter(([, { resolved }]) => resolved !== undefined)).toEqual([]);
  // Without a hash `npm ci` takes whatever the registry gives; those of other platforms count too.
  const isHash = (text = ''): boolean => /^sha512-[A-Za-z0-9+/]{86}==$/u.test(text);
  expect(installed.filter(([, { integrity }]) => !isHash(integrity)).map(([place]) => place)).toEqual([]);
});
