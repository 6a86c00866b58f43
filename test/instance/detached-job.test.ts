import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  endJobScript,
  type JobLook,
  lookAtJobScript,
  parseJobLook,
  removeJobScript,
  startJobScript,
} from '../../src/instance/detached-job.ts';
import {
  breakLockScript,
  type MachineLock,
  parseLockAnswer,
  releaseLockScript,
  takeLockScript,
} from '../../src/instance/machine-lock.ts';
import { runScript } from '../../src/instance/remote-script.ts';
import { MachineRoot } from './support/machine-root.ts';

let machine: MachineRoot;
beforeEach(() => {
  machine = new MachineRoot();
});
afterEach(async () => {
  await run(endJobScript('job'));
  machine.remove();
});

const run = (work: string) => runScript(machine, work, { timeoutMs: 5000 });
const look = async (from = 0): Promise<JobLook> => parseJobLook((await run(lookAtJobScript('job', from))).output);
const folder = () => join(machine.path, 'var', 'lib', 'forgectl', 'jobs', 'job');

async function untilEnded(): Promise<JobLook> {
  for (;;) {
    const seen = await look();
    if (seen.state !== 'running') return seen;
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}

describe('a detached job', () => {
  it('runs the work as it was given, keeps its log byte for byte and its status', async () => {
    const text = 'quotes \' " $(touch pwned) `x` \\ \u2603\nFORGECTL_JOB\n';
    const work = `printf '%s' ${JSON.stringify(Buffer.from(text).toString('base64'))} | base64 -d; printf 'a\\0b\\377' ; echo err >&2; exit 7`;
    expect((await run(startJobScript('job', work))).exitCode).toBe(0);
    const seen = await untilEnded();
    expect(seen).toMatchObject({ state: 'done', exitCode: 7 });
    const expected = Buffer.concat([Buffer.from(text), Buffer.from('a\0b'), Buffer.from([0xff]), Buffer.from('err\n')]);
    expect(seen.log.equals(expected)).toBe(true);
    expect((await look(5)).log.equals(expected.subarray(5))).toBe(true);
    expect(existsSync(join(machine.path, 'pwned'))).toBe(false);
  });

  it('is started once, however often it is asked for', async () => {
    const count = join(machine.path, 'count');
    const work = `echo once >>'${count.replaceAll("'", "'\\''")}'; sleep 0.3`;
    for (let times = 0; times < 3; times += 1) expect((await run(startJobScript('job', work))).exitCode).toBe(0);
    await untilEnded();
    expect((await run(startJobScript('job', work))).exitCode).toBe(0);
    expect(readFileSync(count, 'utf8')).toBe('once\n');
  });

  it('sees the machine as a service does', async () => {
    machine.write('etc/environment', 'COLOUR="blue"\n');
    await run(startJobScript('job', 'echo "$COLOUR $ROOT"'));
    expect((await untilEnded()).log.toString()).toBe(`blue ${machine.path}\n`);
  });

  it('ends with all that it has started', async () => {
    await run(startJobScript('job', "trap '' TERM; sleep 77 & sleep 77"));
    expect(await look()).toMatchObject({ state: 'running', exitCode: null });
    expect((await run(endJobScript('job'))).exitCode).toBe(0);
    expect((await look()).state).toBe('lost');
    expect((await run(removeJobScript('job'))).exitCode).toBe(0);
    expect((await look()).state).toBe('absent');
  }, 70_000);

  it('is lost, not done, when it ended without a status or its number is another process’s', async () => {
    await run(startJobScript('job', 'true'));
    await untilEnded();
    rmSync(join(folder(), 'status'));
    expect((await look()).state).toBe('lost');
    writeFileSync(join(folder(), 'process'), `${process.pid} 1`);
    expect((await look()).state).toBe('lost');
  });

  it('leaves no more records behind than twenty, and none that is old; what runs stays', async () => {
    const jobs = join(folder(), '..');
    await run(startJobScript('job', 'sleep 60'));
    const old = new Date(Date.now() - 40 * 86_400_000);
    utimesSync(folder(), old, old);
    for (let number = 0; number < 24; number += 1) {
      mkdirSync(join(jobs, `ended-${number}`));
      writeFileSync(join(jobs, `ended-${number}`, 'status'), '0\n');
      const at = new Date(Date.now() - (number === 3 ? 35 * 86_400_000 : (number + 1) * 60_000));
      utimesSync(join(jobs, `ended-${number}`), at, at);
    }
    await run(startJobScript('newest', 'true'));
    const left = readdirSync(jobs);
    expect(left).toHaveLength(21);
    expect(left).toEqual(expect.arrayContaining(['job', 'newest', 'ended-0', 'ended-19']));
    expect(left).not.toContain('ended-3');
    expect((await look()).state).toBe('running');
  });

  it('an answer that was not one is an error, never a state', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        if (/^state=(absent|running|done|lost)$/mu.test(text)) return;
        expect(() => parseJobLook(text)).toThrow(/no readable answer/u);
      }),
    );
  });
});

describe('the lock on a machine', () => {
  const lock = (name: string): MachineLock => ({ run: name, why: "upgrade '$(x)'", who: 'a "host"', since: 'now' });
  const take = async (one: MachineLock) => parseLockAnswer((await run(takeLockScript(one))).output);

  it('is held by one run, which is named to the others, and taken again by the same', async () => {
    expect(await take(lock('run-1'))).toBeNull();
    expect(await take(lock('run-2'))).toEqual(lock('run-1'));
    expect((await take(lock('run-1')))?.run).toBe('run-1');
    await run(releaseLockScript(lock('run-2')));
    expect(await take(lock('run-2'))).toEqual(lock('run-1'));
    await run(releaseLockScript(lock('run-1')));
    expect(await take(lock('run-2'))).toBeNull();
    await run(breakLockScript());
    expect(await take(lock('run-3'))).toBeNull();
  });

  it('one that cannot be read is still a lock', async () => {
    machine.write('var/lib/forgectl/lock', 'garbage');
    expect(await take(lock('run-1'))).toMatchObject({ run: 'unknown' });
    expect(() => parseLockAnswer('')).toThrow(/could not be locked/u);
  });
});
