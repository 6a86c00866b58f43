import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { PYTHON_PULL } from '../../src/instance/migration/direct/python-pull.ts';
import { PYTHON_SERVE } from '../../src/instance/migration/direct/python-serve.ts';

const top = mkdtempSync(join(tmpdir(), 'forgectl halves '));
afterAll(() => rmSync(top, { recursive: true, force: true }));

interface Ended {
  code: number | null;
  said: Record<string, unknown>[];
  /** From the source to the destination. */
  wireBytes: number;
}

/** Both halves, joined by a pipe in place of ssh; what goes over it is counted, or changed by `between`. */
function bring(from: string, to: string, { deflate, between = 'cat' }: { deflate: boolean; between?: string }) {
  const [source, wire] = [join(from, '..', 'serve.py'), join(from, '..', `wire-${deflate}`)];
  writeFileSync(source, PYTHON_SERVE);
  const place = join(from, '..', 'place');
  grantAll(place, from);
  mkdirSync(to, { recursive: true });
  // Ends as ssh does, whatever the source's half still waits for.
  const link = `exec 4<&0; exec tee "$3" < <(${between} < <(python3 -I -S "$1" "$2" "$4" <&4))`;
  const words = ['bash', '-c', link, 'bash', source, from, wire, place];
  const child = spawn('python3', ['-I', '-S', '-c', PYTHON_PULL, to, ...words]);
  const items = readdirSync(from).map((name) => {
    const { size, mode, mtimeNs } = statSync(join(from, name), { bigint: true });
    return [latin1(name), latin1(name), Number(size), Number(mode & 0o7777n), String(mtimeNs), null, null];
  });
  child.stdin.end(`${JSON.stringify({ base: latin1(from), aside: 'aside', items, deflate, rate: null })}\n`);
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  return new Promise<Ended>((resolve) => {
    child.once('close', (code) => {
      const said = output
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Record<string, unknown>);
      resolve({ code, said, wireBytes: existsSync(wire) ? statSync(wire).size : 0 });
    });
  });
}

/** As a run grants it. */
function grantAll(place: string, from: string): void {
  mkdirSync(place, { recursive: true });
  const paths = readdirSync(from).map((name) => join(from, name));
  writeFileSync(join(place, 'list'), `${paths.sort().join('\0')}\0`);
  writeFileSync(join(place, 'left'), String(2 ** 40).padStart(20, '0'));
  writeFileSync(join(place, 'lease'), String(Math.floor(Date.now() / 1000) + 600));
}

const latin1 = (text: string): string => Buffer.from(text).toString('latin1');
const newTree = (files: Record<string, Buffer>): string => {
  const from = join(mkdtempSync(join(top, 'tree-')), 'from');
  mkdirSync(from);
  for (const [name, content] of Object.entries(files)) writeFileSync(join(from, name), content);
  return from;
};
const contents = (directory: string): Record<string, string> =>
  Object.fromEntries(
    readdirSync(directory)
      .sort()
      .map((name) => [name, readFileSync(join(directory, name)).toString('base64')]),
  );

describe('small files from machine to machine', () => {
  const text = Buffer.from('def forge(picture):\n    return picture.upscale(2)\n'.repeat(4000));

  it('go deflated where that makes them smaller, and come out as they were', async () => {
    const from = newTree({
      'a.py': text,
      'b.safetensors': text,
      'c.PNG': text,
      'noise.txt': randomBytes(300_000),
      empty: Buffer.alloc(0),
      'tiny é': Buffer.from('x'),
      'large.json': Buffer.concat([text, text, text, text, text, text]),
    });
    const deflated = await bring(from, join(from, '..', 'one'), { deflate: true });
    expect(deflated).toMatchObject({ code: 0 });
    expect(deflated.said.at(-1)).toMatchObject({ done: true, problems: [] });
    expect(contents(join(from, '..', 'one'))).toEqual(contents(from));
    const plain = await bring(from, join(from, '..', 'two'), { deflate: false });
    expect(contents(join(from, '..', 'two'))).toEqual(contents(from));
    // Seven texts are next to nothing; two that are dense by name, and the noise, go as they are.
    expect(plain.wireBytes).toBeGreaterThan(9 * text.length + 300_000);
    expect(deflated.wireBytes).toBeGreaterThan(2 * text.length + 300_000);
    expect(deflated.wireBytes).toBeLessThan(2.2 * text.length + 300_000);
    // What it tells of progress are the bytes of the files.
    const told = deflated.said.reduce((sum, { bytes = 0 }) => sum + Number(bytes), 0);
    expect(told).toBe(9 * text.length + 300_001);
  });

  it('whatever they hold', async () => {
    const content = fc.oneof(
      fc.uint8Array({ maxLength: 2000 }).map((bytes) => Buffer.from(bytes)),
      fc.tuple(fc.string({ maxLength: 40 }), fc.nat(40_000)).map(([word, count]) => Buffer.from(word.repeat(count))),
      fc.nat(3_000_000).map((size) => Buffer.alloc(size)),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(content, { maxLength: 6 }), async (files) => {
        const from = newTree(Object.fromEntries(files.map((file, index) => [`${index}.txt`, file])));
        const to = join(from, '..', 'to');
        expect((await bring(from, to, { deflate: true })).code).toBe(0);
        expect(contents(to)).toEqual(contents(from));
      }),
      { numRuns: 8 },
    );
  });

  /** What becomes of the source's answer to the pack, in Python: r gives it, w is the destination. */
  const answering = (then: string): string =>
    `python3 -c "import struct, sys, zlib; r = sys.stdin.buffer; w = sys.stdout.buffer; [(w.write(r.readline()), w.flush()) for _ in 'ab']; ${then}; w.flush()"`;
  const insteadOf = (block: string): string =>
    answering(`b = ${block}; w.write(struct.pack('>I', len(b) << 1 | 1) + b); w.flush(); r.read()`);

  it.each([
    ['cut in the middle of a block', answering('w.write(r.read(2000))')],
    ['with a broken block', insteadOf('bytes(40)')],
    ['with a block that would fill the memory', insteadOf('zlib.compress(bytes(9 << 20))')],
    ['with a block that is too long', insteadOf('bytes(9 << 20)')],
  ])('%s: nothing of it is kept under its name', async (_, between) => {
    const from = newTree({ 'a.py': randomBytes(60_000), 'b.py': text });
    const to = join(from, '..', 'to');
    const { code, said } = await bring(from, to, { deflate: true, between });
    expect(code).toBe(3);
    expect(said.at(-1)?.['done']).toBeUndefined();
    expect(readdirSync(to).filter((name) => name !== 'aside')).toEqual([]);
  });
});
