import { randomBytes } from 'node:crypto';
import { PassThrough, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { finished } from 'node:stream/promises';
import { describe, expect, it } from 'vitest';
import { KeptOutput } from '../../src/cli/exec-output.ts';
import { exitStatus } from '../../src/cli/running-command.ts';
import { SharedInput } from '../../src/cli/shared-input.ts';

describe('output for a document', () => {
  const keep = async (...chunks: Buffer[]) => {
    const kept = new KeptOutput();
    for (const chunk of chunks) kept.write(chunk);
    kept.end();
    await finished(kept);
    return kept.document('stdout');
  };

  it('is text when it is UTF-8, else base64', async () => {
    expect(await keep(Buffer.from('☃').subarray(0, 1), Buffer.from('☃').subarray(1))).toEqual({
      stdout: '☃',
      stdout_encoding: 'utf8',
      stdout_bytes: 3,
      stdout_truncated: false,
    });
    expect(await keep(Buffer.from([0x61, 0xff]))).toMatchObject({ stdout: 'Yf8=', stdout_encoding: 'base64' });
    expect(await keep(Buffer.from([0xef, 0xbb, 0xbf, 0x61]))).toMatchObject({ stdout: '\ufeffa' });
  });

  it.each([
    ['a', 1024 * 1024],
    ['é', 1024 * 1024],
    ['☃', 1024 * 1024 - 1],
    ['😀', 1024 * 1024],
    ['x☃', 1024 * 1024],
  ])('of %s is cut after a whole character', async (character, bytes) => {
    const all = Buffer.from(character.repeat(1_200_000));
    const { stdout, ...rest } = await keep(all.subarray(0, 700_000), all.subarray(700_000));
    expect(rest).toEqual({ stdout_encoding: 'utf8', stdout_bytes: all.length, stdout_truncated: true });
    expect(Buffer.byteLength(stdout as string)).toBe(bytes);
  });
});

describe('one stdin for several commands', () => {
  it('is given to each whole, also to one that comes late, and the file has no name', async () => {
    const bytes = randomBytes(3_000_000);
    const source = new PassThrough();
    const shared = new SharedInput(source);
    const early = buffer(shared.reader());
    source.write(bytes.subarray(0, 1_000_000));
    const middle = buffer(shared.reader());
    source.end(bytes.subarray(1_000_000));
    expect((await early).equals(bytes)).toBe(true);
    expect((await middle).equals(bytes)).toBe(true);
    expect((await buffer(shared.reader())).equals(bytes)).toBe(true);
    shared.close();
  });

  it('does not run ahead of its readers for ever', async () => {
    let made = 0;
    const endless = new Readable({
      read() {
        made += 65_536;
        this.push(Buffer.alloc(65_536));
      },
    });
    const shared = new SharedInput(endless);
    const reader = shared.reader();
    await expect.poll(() => endless.isPaused()).toBe(true);
    const before = made;
    expect(before).toBeLessThan(20 * 1024 * 1024);
    let read = 0;
    for await (const chunk of reader) {
      read += (chunk as Buffer).length;
      if (read > before) break;
    }
    expect(made).toBeGreaterThan(before);
    shared.close();
  });
});

it('an exit status is the command’s own, or 128 and the number of the signal', () => {
  expect([0, 7, 255].map((exitCode) => exitStatus({ exitCode, signal: null }))).toEqual([0, 7, 255]);
  expect(['INT', 'KILL', 'TERM', 'nonsense'].map((signal) => exitStatus({ exitCode: null, signal }))).toEqual([
    130, 137, 143, 128,
  ]);
});
