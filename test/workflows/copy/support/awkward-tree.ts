import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { isChecked } from '../../../support/is-checked.ts';

/** The tools that a machine of Vast.ai has, and a Mac has not. */
export function hasGnuTools(what: string): boolean {
  const found = spawnSync('bash', ['-c', 'find / -maxdepth 0 -printf "" && tar --version | grep -q GNU']).status === 0;
  return isChecked(found, 'GNU find and tar', what);
}

/** Anything that a file system takes and a careless copy loses. `path` is new. */
export function makeAwkwardTree(path: string, { withPipe = true } = {}): void {
  const at = (name: string | Buffer): Buffer => Buffer.concat([Buffer.from(`${path}/`), Buffer.from(name)]);
  let seconds = 1_600_000_000;
  const setTime = (name: Buffer): void => {
    // In the middle between two of what is compared: Node loses microseconds.
    seconds += 1;
    utimesSync(name, seconds + 0.5, seconds + 0.5);
  };
  const file = (name: string | Buffer, content: string | Buffer, mode = 0o644): void => {
    writeFileSync(at(name), content);
    chmodSync(at(name), mode);
    setTime(at(name));
  };
  for (const below of ['', '/empty directory', '/sub', '/sub/deep', '/sub/deep/er', '/-dash']) mkdirSync(path + below);
  file('plain.txt', 'hello\n');
  file('run.sh', '#!/bin/sh\n', 0o755);
  file('read only', 'x'.repeat(10_000), 0o444);
  file('empty', '');
  file('sticky', 's', process.getuid?.() === 0 ? 0o4755 : 0o755);
  file('-n', 'a name like a flag');
  file('new\nline', 'n');
  file('emoji 😀.png', 'e');
  file('$(touch pwned) `id` "q" \'s\' \\', 'quotes');
  file('n'.repeat(255), 'long');
  if (process.platform === 'linux') file(Buffer.from([0x62, 0xff, 0xfe, 0x20, 0x80]), 'not UTF-8');
  file('sub/deep/er/file', createHash('sha512').update('x').digest().toString('hex').repeat(5000));
  file('sub/data', Buffer.alloc(1_500_000, 'data'));
  symlinkSync('/etc/passwd', at('absolute'));
  symlinkSync('nowhere', at('dangling'));
  symlinkSync('../plain.txt', at('sub/relative'));
  symlinkSync('sub', at('to a directory'));
  lutimesSync(at('dangling'), 1_500_000_000, 1_500_000_000);
  linkSync(at('sub/data'), at('hard'));
  linkSync(at('sub/data'), at('sub/deep/hard too'));
  file('holes', '');
  writeFileSync(at('holes'), Buffer.alloc(200_000, 'h'));
  truncateSync(at('holes') as never, 20 * 2 ** 20);
  setTime(at('holes'));
  file('only a hole', '');
  truncateSync(at('only a hole') as never, 3 * 2 ** 20);
  setTime(at('only a hole'));
  if (withPipe) spawnSync('bash', ['-c', 'mkfifo "$1"', 'bash', `${path}/pipe`]);
  chmodSync(at('sub/deep'), 0o2750);
  for (const below of ['sub/deep/er', 'sub/deep', 'sub', 'empty directory', '-dash']) setTime(at(below));
}

/** Everything that must be the same on both sides, a line for each path; pipes are left out. */
export function describeTree(path: string): string[] {
  const lines: string[] = [];
  const inodes = new Map<bigint, string>();
  const walk = (bytes: Buffer, name: string): void => {
    const stats = lstatSync(bytes, { bigint: true });
    if (stats.isFIFO()) return;
    const mode = stats.isSymbolicLink() ? '' : (Number(stats.mode) & 0o777).toString(8);
    const seconds = (name === '' || stats.isSymbolicLink() ? 0n : stats.mtimeNs / 1_000_000_000n).toString();
    let what = 'directory';
    if (stats.isSymbolicLink()) what = `-> ${readlinkSync(bytes, { encoding: 'buffer' }).toString('latin1')}`;
    if (stats.isFile()) {
      const first = inodes.get(stats.ino) ?? name;
      inodes.set(stats.ino, first);
      what = `${stats.size} ${createHash('sha256').update(readFileSync(bytes)).digest('hex').slice(0, 16)} = ${first}`;
    }
    lines.push(`${JSON.stringify(name)} ${mode} ${seconds} ${what}`);
    if (!stats.isDirectory()) return;
    for (const child of readdirSync(bytes, { encoding: 'buffer' }).sort(Buffer.compare))
      walk(Buffer.concat([bytes, Buffer.from('/'), child]), `${name}/${child.toString('latin1')}`);
  };
  walk(Buffer.from(path), '');
  return lines;
}
