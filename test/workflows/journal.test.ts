import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FileLock, FileLock as Lock } from '../../src/workflows/file-lock.ts';
import { Journal } from '../../src/workflows/journal.ts';
import { FakeClock } from '../support/fake-clock.ts';

let stateDir: string;
let clock: FakeClock;

beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), 'forgectl journal '));
  clock = new FakeClock();
});
afterEach(() => rmSync(stateDir, { recursive: true, force: true }));

const open = (): Journal => new Journal({ stateDir, context: 'test', clock });
const begin = (journal = open()) => journal.begin({ kind: 'launch', title: 'a launch', plan: { label: 'x' } });
const files = (): string[] => readdirSync(join(stateDir, 'runs', 'test')).sort();

describe('the journal', () => {
  it('is one file a run, for the user alone, whole at every moment', async () => {
    const run = await begin();
    const file = join(stateDir, 'runs', 'test', `${run.id}.open.json`);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(statSync(join(stateDir, 'runs', 'test')).mode & 0o777).toBe(0o700);
    await run.setStep('rent-1', 'started');
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ state: 'open', steps: [{ id: 'rent-1' }] });
    await run.end('done', 'instance 7');
    expect(files()).toEqual([`${run.id}.json`]);
  });

  it('is locked while a process works on it, and free when that process has died', async () => {
    const run = await begin();
    expect(() => open().reopen(run.id)).toThrow(/is being worked on by process \d+/u);
    await run.leave('cut off');
    expect(open().reopen(run.id).id).toBe(run.id);
    // A process that held the lock and was killed: its number may be another's by now.
    const dead = spawnSync(process.execPath, ['-e', 'process.stdout.write(String(process.pid))']).stdout.toString();
    const stale = { pid: Number(dead), startedAt: 'long ago', what: 'a launch', since: new Date().toISOString() };
    writeFileSync(join(stateDir, 'runs', 'test', `${run.id}.lock`), JSON.stringify(stale));
    expect(
      open()
        .cutOff()
        .map(({ id }) => id),
    ).toEqual([run.id]);
    expect(open().reopen(run.id).id).toBe(run.id);
  });

  it('of many who want a lock at once only one gets it, also when a dead one holds it', () => {
    const file = join(stateDir, 'some.lock');
    mkdirSync(stateDir, { recursive: true });
    writeFileSync(file, '{"pid": 999999999, "what": "dead", "since": "x"}');
    const taken = Array.from({ length: 20 }, () => Lock.tryTake(file, 'work'));
    const held = taken.filter((one): one is FileLock => one instanceof Lock);
    expect(held).toHaveLength(1);
    held[0]?.release();
    expect(Lock.tryTake(file, 'work')).toBeInstanceOf(Lock);
  });

  it('shows what a newer forgectl has written, keeps what it does not know, and leaves it alone', async () => {
    const run = await begin();
    await run.leave('cut off');
    const file = join(stateDir, 'runs', 'test', `${run.id}.open.json`);
    const text = JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), version: 99, future: { a: 1 } });
    writeFileSync(file, text);
    expect(open().list()).toMatchObject([{ id: run.id, version: 99 }]);
    expect(() => open().reopen(run.id)).toThrow(/newer forgectl/u);
    expect(readFileSync(file, 'utf8')).toBe(text);
    // A field of a later patch release, in a version that is known, survives.
    writeFileSync(file, text.replace('"version":99', '"version":1'));
    await open().reopen(run.id).setStep('one', 'done');
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ future: { a: 1 } });
  });

  it('is never taken for empty when a file cannot be read: it may name a machine', async () => {
    const run = await begin();
    await run.leave('cut off');
    for (const garbage of ['', '{', '[]', 'null', '{"version":"1"}']) {
      writeFileSync(join(stateDir, 'runs', 'test', `${run.id}.open.json`), garbage);
      expect(() => open().cutOff()).toThrow(/cannot be read/u);
    }
  });

  it('a draft that a crash has left is no run', async () => {
    const run = await begin();
    await run.leave('cut off');
    writeFileSync(join(stateDir, 'runs', 'test', `${run.id}.open.json.123456`), '{"half');
    expect(open().list()).toHaveLength(1);
  });

  it('forgets ends that nobody asks for any more, and never a run that is open', async () => {
    const cutOff = await begin();
    await cutOff.leave('cut off');
    const ended = await begin();
    await ended.end('done', 'instance 7');
    clock.advance(61 * 24 * 3_600_000);
    const next = await begin();
    const left = open()
      .list()
      .map(({ id }) => id);
    expect(left.sort()).toEqual([cutOff.id, next.id].sort());
  });

  it('refuses to go on with what has ended', async () => {
    const run = await begin();
    await run.end('done', 'instance 7');
    expect(() => open().reopen(run.id)).toThrow(/has ended: instance 7/u);
    expect(() => open().find('launch-')).not.toThrow();
    expect(() => open().find('nothing')).toThrow(/no run/u);
  });
});
