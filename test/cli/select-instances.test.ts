import { describe, expect, it } from 'vitest';
import { parseDurationMs } from '../../src/cli/flags.ts';
import { selectInstance, selectInstances } from '../../src/cli/select-instances.ts';
import type { Instance } from '../../src/vast/model.ts';

const rows = [
  { id: 11, label: 'red' },
  { id: 12, label: 'red-two' },
  { id: 13, label: null },
  { id: 14, label: 'blue 🦊' },
] as Instance[];

describe('how an instance is named', () => {
  it.each([
    ['11', 11],
    ['C.12', 12],
    ['red', 11],
    ['red-', 12],
    ['bl', 14],
    ['self', 13],
  ])('%s is %i', (name, id) => {
    expect(selectInstance(rows, name, 13).id).toBe(id);
  });

  it.each([
    ['re', 'AMBIGUOUS_INSTANCE', 3],
    ['99', 'INSTANCE_NOT_FOUND', 3],
    ['', 'INSTANCE_NOT_FOUND', 3],
    ['$(id)', 'INSTANCE_NOT_FOUND', 3],
  ])('"%s" is %s', (name, code, exit) => {
    expect(() => selectInstance(rows, name, null)).toThrow(expect.objectContaining({ code, exit }));
  });

  it('nothing means the only one; several need a name', () => {
    expect(selectInstances([rows[0] as Instance], { names: [], selfId: null })).toHaveLength(1);
    expect(() => selectInstances(rows, { names: [], selfId: null })).toThrow(expect.objectContaining({ exit: 2 }));
    expect(() => selectInstances([], { names: [], selfId: null })).toThrow(expect.objectContaining({ exit: 3 }));
    expect(() => selectInstance(rows, 'self', null)).toThrow(expect.objectContaining({ exit: 2 }));
  });

  it('two names of one instance act once', () => {
    expect(selectInstances(rows, { names: ['red', '11'], selfId: null }).map((row) => row.id)).toEqual([11]);
  });
});

describe('durations', () => {
  it.each([
    ['90', 90_000],
    ['90s', 90_000],
    ['1h30m', 5_400_000],
    ['1.5d', 129_600_000],
  ])('%s', (text, ms) => expect(parseDurationMs(text)).toBe(ms));
  it.each(['', 'soon', '5x', '-5m', '1h 30'])('"%s" is refused', (text) =>
    expect(() => parseDurationMs(text)).toThrow(/not a duration/u),
  );
});
