import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EXIT, ForgeError } from '../../src/errors.ts';
import type { ScheduledJob } from '../../src/vast/job-calendar.ts';
import type { NewScheduledJob } from '../../src/vast/scheduled-jobs.ts';
import { type LimitWish, limitTime, limitWish } from '../../src/workflows/limits/limit-time.ts';
import {
  clearLimit,
  type LimitDependencies,
  limitOf,
  setLimit,
  sweepJobs,
} from '../../src/workflows/limits/set-limit.ts';
import { FakeClock } from '../support/fake-clock.ts';

const HOUR_MS = 3_600_000;
const MIN_MS = 60_000;
const DAY = Date.UTC(2026, 10, 24);
const at = (hours: number, minutes = 0): number => DAY + hours * HOUR_MS + minutes * MIN_MS;

const codeOf = (work: () => unknown): string | null => {
  try {
    work();
    return null;
  } catch (error) {
    return (error as ForgeError).code;
  }
};

describe('the hour of a limit', () => {
  it.each([
    ['4 h from 13:22 is the full hour before', { timeMs: at(17, 22), moneyMs: null }, at(13, 22), at(17)],
    ['1 h from 13:55 is not five minutes: the hour after', { timeMs: at(14, 55), moneyMs: null }, at(13, 55), at(15)],
    ['1 h from 13:20 is 14:00', { timeMs: at(14, 20), moneyMs: null }, at(13, 20), at(14)],
    ['10 min from 13:20 is the next hour', { timeMs: at(13, 30), moneyMs: null }, at(13, 20), at(14)],
    ['a minute before the hour is too late for it', { timeMs: at(14, 1), moneyMs: null }, at(13, 59), at(15)],
    ['money is a ceiling', { timeMs: null, moneyMs: at(17, 59) }, at(13, 55), at(17)],
    ['the earlier of the two counts', { timeMs: at(20), moneyMs: at(17, 59) }, at(13), at(17)],
  ] as [string, LimitWish, number, number][])('%s', (_, wish, nowMs, expected) => {
    expect(limitTime(wish, { sinceMs: nowMs, nowMs })?.atMs).toBe(expected);
  });

  it('is none without a wish, and refused where the platform cannot keep it', () => {
    const now = { sinceMs: at(13, 20), nowMs: at(13, 20) };
    expect(limitTime({ timeMs: null, moneyMs: null }, now)).toBeNull();
    expect(codeOf(() => limitTime({ timeMs: at(13), moneyMs: null }, now))).toBe('LIMIT_REACHED');
    expect(codeOf(() => limitTime({ timeMs: null, moneyMs: at(13, 50) }, now))).toBe('LIMIT_TOO_SMALL');
    expect(codeOf(() => limitTime({ timeMs: at(24 * 8), moneyMs: null }, now))).toBe('LIMIT_TOO_FAR');
    expect(limitTime({ timeMs: at(24 * 6), moneyMs: at(24 * 99) }, now)?.atMs).toBe(at(24 * 6));
  });

  it('is a full hour in the coming week; never after the money; at most an hour after the time', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 200 * 60 }),
        fc.option(fc.integer({ min: 1, max: 200 * 60 })),
        fc.option(fc.integer({ min: 1, max: 200 * 60 })),
        (nowMin, timeMin, moneyMin) => {
          const nowMs = DAY + nowMin * MIN_MS;
          const wish = {
            timeMs: timeMin === null ? null : nowMs + timeMin * MIN_MS,
            moneyMs: moneyMin === null ? null : nowMs + moneyMin * MIN_MS,
          };
          let time: ReturnType<typeof limitTime>;
          try {
            time = limitTime(wish, { sinceMs: nowMs, nowMs });
          } catch (error) {
            expect(['LIMIT_TOO_SMALL', 'LIMIT_TOO_FAR']).toContain((error as ForgeError).code);
            return;
          }
          if (time === null) {
            expect([timeMin, moneyMin]).toEqual([null, null]);
            return;
          }
          expect(time.atMs % HOUR_MS).toBe(0);
          expect(time.atMs).toBeGreaterThan(nowMs);
          expect(time.atMs - nowMs).toBeLessThanOrEqual(167 * HOUR_MS);
          if (wish.moneyMs !== null) expect(time.atMs).toBeLessThanOrEqual(wish.moneyMs);
          if (wish.timeMs !== null) expect(time.atMs).toBeLessThan(wish.timeMs + HOUR_MS + 2 * MIN_MS);
        },
      ),
    );
  });

  it('keeps money for the download back, and counts as if it ran all the time', () => {
    const price = { runningPerHourUsd: 0.5, downloadUsd: 1 };
    const wish = limitWish({ maxLifetimeMs: 4 * HOUR_MS, maxSpendUsd: 5, action: 'stop' }, price, DAY);
    expect(wish).toEqual({ timeMs: DAY + 4 * HOUR_MS, moneyMs: DAY + 8 * HOUR_MS });
    const tiny = limitWish({ maxLifetimeMs: null, maxSpendUsd: 0.5, action: 'stop' }, price, DAY);
    expect(tiny.moneyMs).toBe(DAY);
  });
});

/** The platform's list of jobs, with its ways to fail. */
class Platform implements LimitDependencies {
  readonly clock = new FakeClock();
  readonly calls: string[] = [];
  jobs: ScheduledJob[] = [];
  loses = false;
  unanswered = false;
  hidesForLooks = 0;

  async listJobs(): Promise<ScheduledJob[]> {
    this.calls.push('list');
    if (this.calls.length > 1 && this.hidesForLooks > 0) {
      this.hidesForLooks -= 1;
      return [];
    }
    return [...this.jobs];
  }

  async createJob(job: NewScheduledJob): Promise<{ takenBy: number | null }> {
    this.calls.push('create');
    const taken = this.jobs.find(({ instanceId }) => instanceId === job.instanceId);
    if (taken !== undefined) return { takenBy: taken.id };
    if (!this.loses) this.jobs.push(toJob(this.jobs.length + 1, job));
    this.answer();
    return { takenBy: null };
  }

  async updateJob(id: number, job: NewScheduledJob): Promise<void> {
    this.calls.push(`update ${id}`);
    if (!this.loses) this.jobs = this.jobs.map((known) => (known.id === id ? toJob(id, job) : known));
    this.answer();
  }

  async removeJob(id: number): Promise<void> {
    this.calls.push(`remove ${id}`);
    if (!this.loses) this.jobs = this.jobs.filter((known) => known.id !== id);
  }

  private answer(): void {
    if (!this.unanswered) return;
    const error = new ForgeError('no answer', { code: 'API_UNREACHABLE', exit: EXIT.apiFailed });
    throw Object.assign(error, { outcomeUnknown: true });
  }
}

function toJob(id: number, { instanceId, action, atMs }: NewScheduledJob): ScheduledJob {
  const time = new Date(atMs);
  return {
    id,
    instanceId,
    action,
    startMs: atMs,
    endMs: atMs + 3 * HOUR_MS,
    frequency: 'WEEKLY',
    dayOfWeek: time.getUTCDay(),
    hourOfDay: time.getUTCHours(),
    minuteOfHour: 0,
  };
}

describe('writing a limit', () => {
  const now = new FakeClock().now();
  const wanted = { atMs: Math.ceil(now / HOUR_MS) * HOUR_MS + 3 * HOUR_MS, action: 'stop' as const };

  it('makes one job, reads it back, and is harmless twice', async () => {
    const platform = new Platform();
    expect(await setLimit(platform, 5, wanted)).toEqual({ jobId: 1, ...wanted });
    expect(await setLimit(platform, 5, wanted)).toEqual({ jobId: 1, ...wanted });
    expect(platform.calls.filter((call) => call !== 'list')).toEqual(['create']);
    expect(limitOf(platform.jobs, 5, now)).toMatchObject(wanted);
    expect(limitOf(platform.jobs, 6, now)).toBeNull();
    expect(limitOf(platform.jobs, 5, wanted.atMs + 1)).toBeNull();
  });

  it('changes the job that is there, whatever it does and when, and takes others away', async () => {
    const platform = new Platform();
    platform.jobs = [
      toJob(1, { instanceId: 5, action: 'destroy', atMs: wanted.atMs + HOUR_MS }),
      { ...toJob(2, { instanceId: 5, action: 'stop', atMs: wanted.atMs }), frequency: 'HOURLY' },
      toJob(3, { instanceId: 6, action: 'stop', atMs: wanted.atMs }),
    ];
    await setLimit(platform, 5, wanted);
    expect(platform.calls).toEqual(['list', 'update 1', 'remove 2', 'list']);
    expect(platform.jobs.map(({ id }) => id)).toEqual([1, 3]);
  });

  it('fails when it does not read back, after several looks', async () => {
    for (const jobs of [[], [toJob(1, { instanceId: 5, action: 'destroy', atMs: wanted.atMs })]]) {
      const platform = new Platform();
      platform.jobs = jobs;
      platform.loses = true;
      await expect(setLimit(platform, 5, wanted)).rejects.toMatchObject({ code: 'LIMIT_NOT_SET', exit: 14 });
      expect(platform.calls.filter((call) => call === 'list')).toHaveLength(4);
    }
  });

  it('believes an hourly job to be no limit: it may act at every hour', async () => {
    const platform = new Platform();
    platform.updateJob = async (id, job) => {
      platform.jobs = [{ ...toJob(id, job), frequency: 'HOURLY' }];
    };
    platform.jobs = [toJob(1, { instanceId: 5, action: 'destroy', atMs: wanted.atMs })];
    await expect(setLimit(platform, 5, wanted)).rejects.toMatchObject({ code: 'LIMIT_NOT_SET' });
  });

  it('waits for a list that is late, and for the outcome of a call without an answer', async () => {
    const platform = new Platform();
    platform.hidesForLooks = 2;
    platform.unanswered = true;
    expect(await setLimit(platform, 5, wanted)).toMatchObject(wanted);
    platform.loses = true;
    await expect(setLimit(platform, 6, wanted)).rejects.toMatchObject({ code: 'LIMIT_NOT_SET' });
  });

  it('changes a job that the refusal names when it is a limit, and leaves any other alone', async () => {
    const late = new Platform();
    const other = toJob(7, { instanceId: 5, action: 'destroy', atMs: wanted.atMs });
    late.hidesForLooks = 0;
    const jobs = [[], [other]];
    const list = late.listJobs.bind(late);
    late.jobs = [other];
    late.listJobs = async () => jobs.shift() ?? list();
    expect(await setLimit(late, 5, wanted)).toMatchObject({ jobId: 7 });
    const taken = new Platform();
    taken.jobs = [{ ...other, action: 'start' }];
    await expect(setLimit(taken, 5, wanted)).rejects.toMatchObject({ code: 'LIMIT_CONFLICT', exit: 9 });
    expect(taken.jobs[0]?.action).toBe('start');
  });

  it('is cleared as a whole, read back, and says when it is not', async () => {
    const platform = new Platform();
    platform.jobs = [1, 2].map((id) => toJob(id, { instanceId: 5, action: 'stop', atMs: wanted.atMs }));
    platform.jobs.push(toJob(3, { instanceId: 6, action: 'stop', atMs: wanted.atMs }));
    expect(await clearLimit(platform, 5)).toHaveLength(2);
    expect(platform.jobs.map(({ id }) => id)).toEqual([3]);
    platform.loses = true;
    await expect(clearLimit(platform, 6)).rejects.toMatchObject({ code: 'LIMIT_NOT_CLEARED' });
  });

  it('sweeping takes every job of the instance, and a failure is only returned', async () => {
    const platform = new Platform();
    const own = toJob(1, { instanceId: 5, action: 'stop', atMs: wanted.atMs });
    platform.jobs = [own, { ...own, id: 2, action: null }, { ...own, id: 3, instanceId: 6 }];
    expect(await sweepJobs(platform, 5)).toBeNull();
    expect(platform.jobs.map(({ id }) => id)).toEqual([3]);
    const failure = new ForgeError('down', { code: 'API_DOWN', exit: EXIT.apiFailed });
    platform.listJobs = () => Promise.reject(failure);
    expect(await sweepJobs(platform, 5)).toBe(failure);
  });
});
