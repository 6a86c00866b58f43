import { PassThrough, Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PrefixedLines } from '../../src/ui/prefixed-lines.ts';

async function show(chunks: (string | Buffer)[], isTerminal = false): Promise<string> {
  const into = new PassThrough({ highWaterMark: 1e6 });
  const lines = new PrefixedLines({ prefix: 'web | ', into, isTerminal });
  for (const chunk of chunks) lines.write(chunk);
  lines.end();
  await finished(lines);
  into.end();
  return Buffer.concat(await into.toArray()).toString('latin1');
}

describe('lines with the name of their machine', () => {
  it('are whole, whatever pieces they come in; the last one gets its end', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 8 }), { maxLength: 8 }), async (arrays) => {
        const text = Buffer.concat(arrays.map((array) => Buffer.from(array))).toString('latin1');
        const lines = text.split('\n');
        if (lines.at(-1) === '') lines.pop();
        expect(await show(arrays.map((array) => Buffer.from(array)))).toBe(
          lines.map((line) => `web | ${line}\n`).join(''),
        );
      }),
    );
  });

  it('on a terminal neither move the cursor nor pretend to be another’s; of a progress bar the end counts', async () => {
    const evil = '\u001b[1A\u001b[2Kother | done\u001b]0;x\u0007\n';
    expect(await show([evil], true)).toBe('web | other | done\n');
    expect(await show(['10%\r20%\r30%\n\tindented\ttext  \n'], true)).toBe(
      'web | 30%\nweb |         indented        text\n',
    );
    expect(await show([evil])).toBe(`web | ${evil}`);
  });

  it('without an end are not kept for ever', async () => {
    const shown = await show([Buffer.alloc(200_000, 'x')]);
    expect(shown).toBe(`web | ${'x'.repeat(200_000)}\n`);
    const into = new PassThrough();
    const lines = new PrefixedLines({ prefix: '', into, isTerminal: false });
    for (let chunk = 0; chunk < 4; chunk += 1) lines.write(Buffer.alloc(50_000, 'x'));
    await new Promise((resolve) => into.once('readable', resolve));
    expect(into.readableLength).toBeGreaterThan(64 * 1024);
  });

  it('wait for a slow reader, and do not for one that is gone', async () => {
    let release: () => void = () => {};
    const into = new Writable({
      highWaterMark: 4,
      write: (_chunk, _encoding, done) => {
        release = done;
      },
    });
    const lines = new PrefixedLines({ prefix: '', into, isTerminal: false });
    let isDone = false;
    lines.write('a line\n', () => {
      isDone = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(isDone).toBe(false);
    release();
    await expect.poll(() => isDone).toBe(true);
    lines.write('another\n');
    into.destroy();
    lines.write('and another\n');
    lines.end();
    await finished(lines);
  });
});
