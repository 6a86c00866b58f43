import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { Unpacked } from '../../../src/workflows/copy/unpacked.ts';

async function read(bytes: Buffer, step: number): Promise<{ text: string; isWhole: boolean }> {
  let text = '';
  const unpacked = new Unpacked((chunk) => {
    text += chunk.toString();
  });
  for (let at = 0; at < bytes.length; at += step) await unpacked.push(bytes.subarray(at, at + step));
  const isWhole = await unpacked.end();
  return { text, isWhole };
}

describe('what a machine prints, packed or not', () => {
  const long = Array.from({ length: 5000 }, (_, index) => `file ${index}`).join('\0');

  it.each([1, 7, 100_000])(
    'is the same in pieces of %i bytes, from a machine with gzip and from one without',
    async (step) => {
      expect(await read(gzipSync(long), step)).toEqual({ text: long, isWhole: true });
      expect(await read(Buffer.from(long), step)).toEqual({ text: long, isWhole: true });
    },
  );

  it('may be a single byte, or nothing', async () => {
    expect(await read(Buffer.from('x'), 1)).toEqual({ text: 'x', isWhole: true });
    expect(await read(Buffer.alloc(0), 1)).toEqual({ text: '', isWhole: true });
  });

  it('is not whole when it was cut off or damaged', async () => {
    const packed = gzipSync(long);
    expect((await read(packed.subarray(0, packed.length - 1), 64)).isWhole).toBe(false);
    const damaged = Buffer.from(packed);
    damaged.writeUInt8((damaged[packed.length >> 1] ?? 0) ^ 0xff, packed.length >> 1);
    expect((await read(damaged, 64)).isWhole).toBe(false);
  });
});
