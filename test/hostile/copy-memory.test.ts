import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { isMost } from '../faults/chosen.ts';
import { LoopbackSshd, newKey } from '../ssh/support/loopback-sshd.ts';
import { hasGnuTools } from '../workflows/copy/support/awkward-tree.ts';
import { canMeasureMemory, HostileMachine, peakMemoryMiB } from './support/hostile-machine.ts';

/** How long each kind is repeated; once when 0. */
const SOAK_MINUTES = Number(process.env['SOAK_MINUTES'] ?? 0);
/** A list of as many entries as are taken at all. */
const MOST_MIB = 1000;

describe.runIf(isMost && canMeasureMemory && hasGnuTools('endless answers to a copy'))('an answer without end', () => {
  const folder = mkdtempSync(join(tmpdir(), 'forgectl endless '));
  let machine: HostileMachine;
  let sshd: LoopbackSshd;

  beforeAll(async () => {
    machine = await HostileMachine.open();
    mkdirSync(join(folder, 'bin'));
    mkdirSync(join(folder, 'from'));
    const liar = fileURLToPath(new URL('./support/lying-bash.py', import.meta.url));
    copyFileSync(liar, join(folder, 'bin', 'bash'));
    chmodSync(join(folder, 'bin', 'bash'), 0o755);
  });
  afterEach(() => sshd.close());
  afterAll(async () => {
    await machine.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  async function lying(lie: string) {
    const env = { PATH: `${folder}/bin:${process.env['PATH']}`, LIE: lie, HOME: folder };
    sshd = await new LoopbackSshd({ hostKeys: [newKey().private], authorized: 'everybody', env }).listen();
    machine.leadsTo(sshd.port);
    const child = machine.home.start(['cp', `:${folder}/from/`, join(folder, 'to'), '--json']);
    let stdout = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.resume();
    let peakMiB = 0;
    const timer = setInterval(() => {
      peakMiB = Math.max(peakMiB, peakMemoryMiB(child.pid ?? 0) ?? 0);
      if (peakMiB > MOST_MIB * 2) child.kill('SIGKILL');
    }, 50);
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve)).finally(() =>
      clearInterval(timer),
    );
    return { child, ended, peakMiB: () => peakMiB, stdout: () => stdout };
  }

  it.each(['endless field', 'endless packed field', 'endless list', 'endless status'])(
    'ends a copy, and takes no more memory each time: %s (long)',
    async (lie) => {
      const untilMs = performance.now() + SOAK_MINUTES * 60_000;
      do {
        const { ended, peakMiB, stdout } = await lying(lie);
        expect(await ended).toBe(8);
        expect(JSON.parse(stdout())).toMatchObject({ error: { code: 'REMOTE_ANSWER_UNREADABLE' } });
        expect(peakMiB()).toBeLessThan(MOST_MIB);
      } while (performance.now() < untilMs);
    },
    (SOAK_MINUTES + 7) * 60_000,
  );

  it.each([0.3, 1, 2.5])('can be interrupted within a second, %f s after the list has begun (long)', async (afterS) => {
    const { child, ended } = await lying('endless list');
    await expect.poll(() => sshd.logins, { timeout: 20_000 }).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, afterS * 1000));
    const startedMs = performance.now();
    child.kill('SIGINT');
    // 8 where it had ended by itself.
    expect([130, 8]).toContain(await ended);
    expect(performance.now() - startedMs).toBeLessThan(1500);
  });
});
