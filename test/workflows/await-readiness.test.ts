import { describe, expect, it } from 'vitest';
import { createSilentReporter } from '../../src/ui/reporter-silent.ts';
import type { Instance } from '../../src/vast/model.ts';
import { awaitReadiness, type ReadinessDependencies } from '../../src/workflows/readiness/await-readiness.ts';
import { FakeClock } from '../support/fake-clock.ts';

const MINUTE_MS = 60_000;

/** An instance that runs from look number `runsAt` on; at look number `sleepsAt` the computer sleeps. */
function waiting({ runsAt, sleepsAt, sleepMs = 0 }: { runsAt: number; sleepsAt?: number; sleepMs?: number }) {
  const clock = new FakeClock();
  let looks = 0;
  const deps: ReadinessDependencies = {
    readInstance: async () => {
      looks += 1;
      if (looks === sleepsAt) clock.advance(sleepMs);
      return {
        id: 7,
        actualStatus: looks >= runsAt ? 'running' : 'loading',
        intendedStatus: 'running',
        statusMsg: 'Pulling from somewhere',
        ports: [{}],
        sshPort: 22,
        diskUsageGb: null,
      } as unknown as Instance;
    },
    connect: () => Promise.reject(new Error('nobody logs in here')),
    attachKey: () => Promise.reject(new Error('nobody logs in here')),
    tailContainerLog: async () => [],
    clock,
    reporter: createSilentReporter(() => {}),
    signal: new AbortController().signal,
  };
  const result = awaitReadiness(deps, { instanceId: 7, goal: 'api', timeoutMs: 24 * 60 * MINUTE_MS });
  return { result, elapsedMs: () => clock.now() - new FakeClock().now() };
}

describe('a machine on its way', () => {
  it('is given up after 15 min in which it was watched and nothing changed', async () => {
    const { result, elapsedMs } = waiting({ runsAt: Number.POSITIVE_INFINITY });
    await expect(result).rejects.toMatchObject({ code: 'STALLED', exit: 7 });
    expect(elapsedMs() / MINUTE_MS).toBeGreaterThan(15);
    expect(elapsedMs() / MINUTE_MS).toBeLessThan(16);
  });

  it('is not given up because the computer slept: the first looks after it decide', async () => {
    const { result } = waiting({ runsAt: 20, sleepsAt: 5, sleepMs: 20 * MINUTE_MS });
    expect(await result).toMatchObject({ reached: 'api' });
  });
});
