import { spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  cameTooLate,
  lookAtLeaseScript,
  parseLeaseState,
  takeBackScript,
  underLease,
} from '../../src/instance/lease.ts';
import { breakLockScript, type MachineLock, parseLockAnswer, takeLockScript } from '../../src/instance/machine-lock.ts';
import { runScript } from '../../src/instance/remote-script.ts';
import { armScript, disarmScript, type WayBack } from '../../src/instance/watchdog.ts';
import { isMost } from '../faults/chosen.ts';
import { MachineRoot } from './support/machine-root.ts';

const RUN = 'upgrade-0123abcd';
const LOCK: MachineLock = { run: RUN, why: "it's", who: 'here', since: 'now' };
/** bash without flock, as on a Mac: the same lock by way of python. */
const NO_FLOCK = 'command() { [ "$2" = flock ] && return 1; builtin command "$@"; }\n';

let machine: MachineRoot;
beforeEach(() => {
  machine = new MachineRoot();
});
afterEach(async () => {
  await run(disarmScript(RUN));
  machine.remove();
});

const run = (work: string) => runScript(machine, work, { timeoutMs: 5000 });
const kept = (name: string) => join(machine.path, 'var', 'lib', 'forgectl', 'upgrades', RUN, name);
const file = (name: string) => join(machine.path, name);
const text = (name: string) => (existsSync(file(name)) ? readFileSync(file(name), 'utf8') : '');
const state = async () => {
  for (;;) {
    const seen = parseLeaseState((await run(lookAtLeaseScript(RUN))).output);
    if (seen.state !== 'working') return seen;
  }
};

async function until(what: () => boolean, limitMs = 20_000): Promise<void> {
  for (const endMs = Date.now() + limitMs; !what(); ) {
    if (Date.now() > endMs)
      throw new Error(`not in time; the watchdog says: ${readFileSync(kept('watchdog/log'), 'utf8')}`);
    await delay(20);
  }
}

/** Beside others, as over a connection of its own: resolves with its end. */
function runBeside(work: string): Promise<{ exitCode: number | null; stderr: string }> {
  const env = { PATH: process.env['PATH'], FORGECTL_ROOT: machine.path, HOME: machine.path };
  const child = spawn('bash', ['--noprofile', '--norc', '-s'], { env, detached: true });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (piece: string) => {
    stderr += piece;
  });
  child.stdin.end(`ROOT=$FORGECTL_ROOT\n(\n${work}\n) </dev/null\n`);
  return new Promise((resolve) => child.once('close', (exitCode) => resolve({ exitCode, stderr })));
}

async function arm(more: Partial<WayBack> = {}): Promise<void> {
  expect(parseLockAnswer((await run(takeLockScript(LOCK))).output)).toBeNull();
  const steps = [{ script: 'echo back >>"$ROOT/log"', failure: 'no' }];
  const wayBack = { run: RUN, lock: LOCK, leaseS: 2, jobs: [], steps, forge: null, history: null, ...more };
  const armed = await run(armScript(wayBack));
  expect(armed.exitCode, armed.stderr).toBe(0);
}

describe('a lease on a machine', () => {
  it('lapses when nobody renews it: the way back is gone in order, once, and the machine is free', async () => {
    const step = (word: string) => ({ script: `echo ${word} >>"$ROOT/log"; exit 0`, failure: 'no' });
    await arm({ steps: [step('first'), step('second')] });
    await until(() => existsSync(kept('outcome')));
    expect(text('log')).toBe('first\nsecond\n');
    expect(await state()).toMatchObject({ state: 'back', at: expect.stringMatching(/^\d{4}-/u) });
    await until(() => !existsSync(file('var/lib/forgectl/lock')));
    const late = await run(underLease(RUN, 'echo work >>"$ROOT/log"'));
    expect(cameTooLate(late)).toBe(true);
    expect(text('log')).not.toContain('work');
  });

  it.runIf(isMost)('is renewed by every script, and ended with the run (long)', async () => {
    await arm();
    for (const endMs = Date.now() + 4000; Date.now() < endMs; await delay(100))
      expect(await run(underLease(RUN, 'echo out; echo err >&2; exit 3'))).toMatchObject({
        output: 'out\n',
        stderr: 'err\n',
        exitCode: 3,
      });
    expect((await run(underLease(RUN, disarmScript(RUN)))).exitCode).toBe(0);
    await delay(3500);
    expect(text('log')).toBe('');
    expect(await state()).toMatchObject({ state: 'free' });
  });

  it.runIf(isMost)('a script that outlives it is waited for, and has renewed it by its end (long)', async () => {
    await arm();
    const { exitCode } = await runBeside(underLease(RUN, 'sleep 4; echo work >>"$ROOT/log"'));
    expect(exitCode).toBe(0);
    expect(text('log')).toBe('work\n');
    await until(() => existsSync(kept('outcome')));
    expect(text('log')).toBe('work\nback\n');
  });

  it('a script that hangs is ended by the next one, with all that it has started', async () => {
    await arm({ leaseS: 60 });
    const hung = runBeside(underLease(RUN, 'sleep 600 & sleep 600'));
    await until(() => existsSync(kept('worker')) && readFileSync(kept('worker'), 'utf8').trim() !== '');
    expect(await run(underLease(RUN, 'echo mine', 2))).toMatchObject({ output: 'mine\n', exitCode: 0 });
    expect((await hung).exitCode).not.toBe(0);
  });

  it('what was started in the background by a script does not hold its turn', async () => {
    await arm();
    await runBeside(underLease(RUN, 'setsid sleep 20 </dev/null >/dev/null 2>&1 9>&- & true'));
    expect((await run(underLease(RUN, 'true'))).exitCode).toBe(0);
  });

  it('scripts of two connections take turns, with flock and without', async () => {
    await arm({ leaseS: 60 });
    const work = (name: string): string =>
      underLease(RUN, `echo begin ${name} >>"$ROOT/log"; sleep 0.2; echo end ${name} >>"$ROOT/log"`);
    const names = ['a', 'b', 'c', 'd'];
    await Promise.all(names.map((name, at) => runBeside(`${at % 2 === 0 ? '' : NO_FLOCK}${work(name)}`)));
    const lines = text('log').trim().split('\n');
    expect(lines).toHaveLength(8);
    for (let at = 0; at < lines.length; at += 2) expect(lines[at + 1]).toBe(lines[at]?.replace('begin', 'end'));
  });

  it.runIf(isMost)(
    'whenever somebody comes back, exactly one of the two works (long)',
    async () => {
      await arm();
      await delay(1600);
      const scripts = Array.from({ length: 12 }, async (_, at) => {
        await delay(at * 90);
        const own = at % 3 === 0 ? NO_FLOCK : '';
        return runBeside(`${own}${underLease(RUN, 'echo begin >>"$ROOT/log"; sleep 0.05; echo end >>"$ROOT/log"')}`);
      });
      const ends = await Promise.all(scripts);
      await until(() => existsSync(kept('outcome')));
      const done = ends.filter(({ exitCode }) => exitCode === 0).length;
      expect(text('log')).toBe(`${'begin\nend\n'.repeat(done)}back\n`);
    },
    30_000,
  );

  it('is watched over by one watchdog, however often it is armed', async () => {
    await arm();
    const first = readFileSync(kept('watchdog/process'), 'utf8');
    await run(armScript({ run: RUN, lock: LOCK, leaseS: 2, jobs: [], steps: [], forge: null, history: null }));
    expect(readFileSync(kept('watchdog/process'), 'utf8')).toBe(first);
    // As supervisor does after a reboot, or at an update.
    await runBeside(`bash '${kept('watchdog/run').replaceAll("'", "'\\''")}'`);
    await until(() => existsSync(kept('outcome')));
    expect(text('log')).toBe('back\n');
  });

  it.runIf(isMost)(
    'what cannot be put back is tried again, told, and given to the next that comes (long)',
    async () => {
      await arm({
        steps: [{ script: 'echo try >>"$ROOT/log"; [ -e "$ROOT/mended" ]', failure: 'the checkout is stuck' }],
      });
      await until(() => existsSync(kept('outcome')));
      expect(text('log')).toBe('try\ntry\ntry\n');
      expect(await state()).toEqual({ state: 'abandoned', at: null, failure: 'the checkout is stuck' });
      expect(existsSync(file('var/lib/forgectl/lock'))).toBe(true);
      expect((await run(takeBackScript(RUN))).exitCode).toBe(0);
      expect((await run(underLease(RUN, 'true'))).exitCode).toBe(0);
      writeFileSync(file('mended'), '');
      await run(armScript({ run: RUN, lock: LOCK, leaseS: 2, jobs: [], steps: [], forge: null, history: null }));
      await until(() => existsSync(kept('outcome')));
      expect(await state()).toMatchObject({ state: 'back' });
    },
    30_000,
  );

  it('a machine that somebody else has taken is left to them', async () => {
    await arm();
    rmSync(file('var/lib/forgectl/lock'));
    await run(takeLockScript({ ...LOCK, run: 'upgrade-ffffffff' }));
    await until(() => !existsSync(kept('lease')));
    expect(text('log')).toBe('');
    expect(await state()).toMatchObject({ state: 'free' });
    expect(existsSync(file('var/lib/forgectl/lock'))).toBe(true);
  });

  it('a machine that puts itself back now is not taken from it', async () => {
    await arm({
      steps: [{ script: 'for look in {1..100}; do [ -e "$ROOT/go" ] && exit 0; sleep 0.1; done', failure: 'no' }],
    });
    await until(() => existsSync(kept('claimed')));
    expect((await run(breakLockScript())).output.trim()).toBe('working');
    expect(existsSync(file('var/lib/forgectl/lock'))).toBe(true);
    writeFileSync(file('go'), '');
    expect(await state()).toMatchObject({ state: 'back' });
    expect((await run(breakLockScript())).output.trim()).toBe('');
  });

  it('a run without one is let through as it is', async () => {
    expect(await run(underLease(RUN, 'echo yes'))).toMatchObject({ output: 'yes\n', exitCode: 0 });
    expect(await state()).toMatchObject({ state: 'free' });
  });
});
