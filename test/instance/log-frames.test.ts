import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FrameParser, type LogFrame } from '../../src/instance/log-reader/frames.ts';
import { LogStream } from '../../src/instance/log-reader/log-stream.ts';

const MARKER = '__mark__';
const BEGIN = Buffer.from(`Welcome!\n\u001b[0mActivated\n${MARKER}:ready\n`);

function encode(header: Record<string, unknown>, data: Uint8Array = Buffer.alloc(0)): Buffer {
  return Buffer.concat([Buffer.from(`${JSON.stringify({ ...header, n: data.length })}\n`), data]);
}

function piece(key: number, offset: number, more: object = {}): Record<string, unknown> {
  return {
    t: 'piece',
    name: 'forge',
    key,
    id: '7:1.5',
    offset,
    role: 'current',
    why: 'start',
    gap: false,
    old: null,
    ...more,
  };
}

/** A log in data frames of these sizes. */
function conversation(content: Buffer, sizes: readonly number[]): Buffer {
  const frames = [encode({ t: 'catalog', logs: [], utc_offset_s: 0 }), encode(piece(1, 0))];
  let at = 0;
  for (const size of sizes) {
    const data = content.subarray(at, at + size);
    if (data.length > 0) frames.push(encode({ t: 'data', name: 'forge', key: 1, at }, data));
    at += data.length;
  }
  return Buffer.concat([BEGIN, ...frames, encode({ t: 'caught_up', name: 'forge' })]);
}

function parseAll(stream: Buffer, chunks: readonly number[]): LogFrame[] {
  const parser = new FrameParser(MARKER);
  const frames: LogFrame[] = [];
  let at = 0;
  for (const size of chunks) {
    frames.push(...parser.push(stream.subarray(at, at + size)));
    at += size;
  }
  return [...frames, ...parser.push(stream.subarray(at))];
}

function newStream(): { stream: LogStream; lines: string[]; gaps: string[] } {
  const lines: string[] = [];
  const gaps: string[] = [];
  const stream = new LogStream(
    { names: ['forge'], follow: true, tail: null, since: null },
    {
      line: (_, text) => lines.push(text),
      partial: () => {},
      gap: (_, why) => gaps.push(why),
      caughtUp: () => {},
      done: () => {},
    },
  );
  return { stream, lines, gaps };
}

interface Request {
  next_key: number;
  positions: Record<string, { pieces: { key: number; offset: number; anchor: string; role: string }[] }>;
}

const content = Buffer.from(Array.from({ length: 40 }, (_, nth) => `line ${nth} ☃ of\u0000 this log\n`).join(''));

describe('frames', () => {
  it('are the same wherever the stream was cut', () => {
    const stream = conversation(content, [1, 2, 700, 3, 100]);
    const whole = parseAll(stream, []);
    expect(whole.map(({ t }) => t)).toEqual(['catalog', 'piece', 'data', 'data', 'data', 'data', 'data', 'caught_up']);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 400 })), (chunks) => {
        expect(parseAll(stream, chunks)).toEqual(whole);
      }),
    );
    expect(
      parseAll(
        stream,
        Array.from({ length: stream.length }, () => 1),
      ),
    ).toEqual(whole);
  });

  it('a payload may look like anything, also like frames and markers', () => {
    const evil = Buffer.from(`\n${MARKER}:ready\n${encode({ t: 'done' }).toString()}`);
    const frames = parseAll(Buffer.concat([BEGIN, encode({ t: 'data', name: 'x', key: 1, at: 0 }, evil)]), [5, 60, 3]);
    expect(frames).toMatchObject([{ t: 'data', data: evil }]);
  });

  it.each([
    ['no python', `\n${MARKER}:no-python\n`, 'NO_PYTHON'],
    ['another word', `\n${MARKER}:hello\n`, 'LOG_READER_FAILED'],
    ['no JSON', `\n${MARKER}:ready\nTraceback (most recent call last):\n`, 'LOG_READER_FAILED'],
    ['no length', `\n${MARKER}:ready\n{"t":"done"}\n`, 'LOG_READER_FAILED'],
    ['a length below zero', `\n${MARKER}:ready\n{"t":"done","n":-1}\n`, 'LOG_READER_FAILED'],
    ['a length beyond all measure', `\n${MARKER}:ready\n{"t":"data","n":99999999999}\n`, 'LOG_READER_FAILED'],
  ])('%s: said in words', (_, text, code) => {
    expect(() => parseAll(Buffer.from(text), [])).toThrow(expect.objectContaining({ code, exit: 8 }));
  });

  it('a machine that prints without end is left', () => {
    const parser = new FrameParser(MARKER);
    const noise = Buffer.alloc(100_000, 'x');
    expect(() => {
      for (let nth = 0; nth < 20; nth += 1) parser.push(noise);
    }).toThrow(expect.objectContaining({ code: 'LOG_READER_FAILED' }));
  });
});

describe('the position', () => {
  it('cut at every byte: the next connection goes on so that each line comes once', () => {
    const stream = conversation(content, [1, 30, 700, 3, 100, 500]);
    const wanted = content.toString('utf8').split('\n').slice(0, -1);
    for (let cut = 0; cut <= stream.length; cut += 1) {
      const { stream: logs, lines, gaps } = newStream();
      for (const frame of parseAll(stream.subarray(0, cut), [])) logs.apply(frame);
      const { positions } = JSON.parse(logs.request()) as Request;
      const [position] = positions['forge']?.pieces ?? [];
      const from = position?.offset ?? 0;
      if (position !== undefined)
        expect(Buffer.from(position.anchor, 'base64').equals(content.subarray(Math.max(0, from - 4096), from))).toBe(
          true,
        );
      const again = [encode(piece(1, from, { why: 'resumed' }), Buffer.from(position?.anchor ?? '', 'base64'))];
      const rest = encode({ t: 'data', name: 'forge', key: 1, at: from }, content.subarray(from));
      for (const frame of parseAll(Buffer.concat([BEGIN, ...again, rest]), [])) logs.apply(frame);
      expect(lines, `cut at ${cut}`).toEqual(wanted);
      expect(gaps).toEqual([]);
    }
  });

  it('bytes that do not continue each other are refused, not shown', () => {
    const { stream, lines } = newStream();
    stream.apply(parseAll(Buffer.concat([BEGIN, encode(piece(1, 10))]), [])[0] as LogFrame);
    const [wrong] = parseAll(Buffer.concat([BEGIN, encode({ t: 'data', name: 'forge', key: 1, at: 12 }, content)]), []);
    expect(() => stream.apply(wrong as LogFrame)).toThrow(expect.objectContaining({ code: 'LOG_READER_FAILED' }));
    expect(lines).toEqual([]);
  });

  it('a moved file that is read on after a reconnect completes its line, though the next file is known already', () => {
    const { stream, lines } = newStream();
    const frames = [
      encode(piece(1, 0)),
      encode({ t: 'data', name: 'forge', key: 1, at: 0 }, Buffer.from('ha')),
      encode(piece(1, 2, { role: 'older', why: 'resumed' })),
      encode(piece(2, 0, { why: 'new', id: '8:2' })),
      encode({ t: 'data', name: 'forge', key: 1, at: 2 }, Buffer.from('lf\n')),
      encode({ t: 'data', name: 'forge', key: 2, at: 0 }, Buffer.from('next\n')),
    ];
    for (const frame of parseAll(Buffer.concat([BEGIN, ...frames]), [])) stream.apply(frame);
    expect(lines).toEqual(['half', 'next']);
  });

  it('a line that a moved file left unfinished comes before the next file, and keys are not used twice', () => {
    const { stream, lines, gaps } = newStream();
    const frames = [
      encode(piece(1, 0)),
      encode({ t: 'data', name: 'forge', key: 1, at: 0 }, Buffer.from('a\nhalf')),
      encode(piece(1, 6, { role: 'older', why: 'moved' })),
      encode(piece(2, 0, { why: 'rotated', gap: true, id: '8:2' })),
      encode({ t: 'data', name: 'forge', key: 2, at: 0 }, Buffer.from('b\n')),
      encode({ t: 'end', name: 'forge', key: 1 }),
      encode({ t: 'done' }),
    ];
    for (const frame of parseAll(Buffer.concat([BEGIN, ...frames]), [])) stream.apply(frame);
    expect(lines).toEqual(['a', 'half', 'b']);
    expect(gaps).toEqual(['rotated']);
    expect((JSON.parse(stream.request()) as Request).next_key).toBe(2);
    expect(stream.isDone).toBe(true);
  });
});
