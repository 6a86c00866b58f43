import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Instance } from '../../src/vast/model.ts';
import { findDeadEnd, isOutbid, stateWord } from '../../src/workflows/instance-state.ts';
import { OwnStops } from '../../src/workflows/own-stops.ts';
import { FakeClock } from '../support/fake-clock.ts';

let directory = '';
let file = '';
let clock: FakeClock;
let stops: OwnStops;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'forgectl-stops-'));
  file = join(directory, 'stops', 'sandbox.json');
  clock = new FakeClock();
  stops = new OwnStops(file, clock);
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const row = (id: number, intendedStatus: string): Instance => ({ id, intendedStatus }) as Instance;

describe('the memory of own stops', () => {
  it('knows since when, in another process too, until the machine is started or destroyed', async () => {
    expect(stops.sinceMs(1)).toBeNull();
    const atMs = clock.now();
    await Promise.all([stops.note(1), stops.note(2)]);
    clock.advance(1000);
    expect(new OwnStops(file, clock).sinceMs(1)).toBe(atMs);
    await stops.forget(1);
    expect([stops.sinceMs(1), stops.sinceMs(2)]).toEqual([null, atMs]);
  });

  it('a stop that lies ahead counts from its time on, and a start before it does not undo it', async () => {
    const atMs = clock.now() + 60_000;
    await stops.note(1, atMs);
    expect(stops.sinceMs(1)).toBeNull();
    await stops.forget(1);
    clock.advance(61_000);
    expect(stops.sinceMs(1)).toBe(atMs);
  });

  it('drops what a list shows to be over: gone, or started by other hands', async () => {
    for (const id of [1, 2, 3]) await stops.note(id);
    await stops.note(4, clock.now() + 60_000);
    await stops.settle([row(1, 'stopped'), row(2, 'running'), row(4, 'running')]);
    clock.advance(61_000);
    expect([1, 2, 3, 4].map((id) => stops.sinceMs(id) !== null)).toEqual([true, false, false, true]);
  });

  it.each(['', 'garbage', '[]', 'null', '{"1": 5}', '{"1": "yesterday"}'])(
    'a file that holds %j knows nothing, and is written anew',
    async (text) => {
      await stops.note(9);
      writeFileSync(file, text);
      expect(stops.sinceMs(1)).toBeNull();
      await stops.note(1);
      expect(stops.sinceMs(1)).toBe(clock.now());
    },
  );

  it('a disk that takes no note fails nothing', async () => {
    writeFileSync(join(directory, 'stops'), 'a file where the folder should be');
    await stops.note(1);
    expect(stops.sinceMs(1)).toBeNull();
  });
});

describe('an interruptible machine with all three states stopped', () => {
  const outbid = {
    isBid: true,
    actualStatus: 'exited',
    intendedStatus: 'stopped',
    curState: 'stopped',
    nextState: 'stopped',
    statusMsg: null,
  } as Instance;

  it('was outbid, unless forgectl has stopped it', () => {
    expect([isOutbid(outbid), isOutbid(outbid, true)]).toEqual([true, false]);
    expect([stateWord(outbid), stateWord(outbid, true)]).toEqual(['outbid', 'stopped']);
    expect(findDeadEnd(outbid)?.code).toBe('INSTANCE_OUTBID');
    expect(findDeadEnd(outbid, true)?.code).not.toBe('INSTANCE_OUTBID');
  });

  it.each([
    ['rented on demand', { isBid: false }],
    ['meant to run', { intendedStatus: 'running' }],
    ['still running', { curState: 'running' }],
    ['about to run', { nextState: 'running' }],
  ])('is not outbid when it is %s', (_what, more) => {
    expect(isOutbid({ ...outbid, ...more })).toBe(false);
  });
});
