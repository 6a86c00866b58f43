import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { VastClient } from '../../src/vast/client.ts';
import { nextRunMs, type ScheduledJob } from '../../src/vast/job-calendar.ts';
import { createVast, type Vast } from '../../src/vast/vast.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { ScriptedServer } from '../support/scripted-server.ts';

const HOUR_MS = 3_600_000;
const AT = Date.UTC(2026, 10, 24, 17);
let server: ScriptedServer;
let vast: Vast;
let reply: (nth: number) => { status?: number; body?: unknown };

beforeEach(async () => {
  server = new ScriptedServer((_, nth) => reply(nth));
  const clock = new FakeClock();
  vast = createVast(
    new VastClient({ baseUrl: await server.listen(), apiKey: () => 'k', clock, userAgent: 'test', random: () => 0 }),
    clock,
  );
});
afterEach(async () => {
  await vast.close();
  await server.close();
});

/** What the platform would list after this body was posted. */
function stored(body: unknown): unknown {
  return { id: 9, min_of_the_hour: 0, status: 'PENDING', ...(body as object) };
}

describe('a job of the platform', () => {
  it.each(['stop', 'destroy'] as const)('that is to %s at an hour names it in its calendar, once', async (action) => {
    reply = () => ({ body: { success: true, scheduled_job_id: 9 } });
    expect(await vast.scheduledJobs.create({ instanceId: 5, action, atMs: AT })).toEqual({ takenBy: null });
    const { body } = server.calls[0] ?? {};
    expect(body).toMatchObject({
      instance_id: 5,
      api_endpoint: '/api/v0/instances/5/',
      request_method: action === 'stop' ? 'PUT' : 'DELETE',
      request_body: action === 'stop' ? { state: 'stopped' } : {},
      frequency: 'WEEKLY',
      day_of_the_week: 2,
      hour_of_the_day: 17,
    });
    reply = () => ({ body: [stored(body)] });
    const [job] = await vast.scheduledJobs.list();
    expect(job).toMatchObject({ id: 9, instanceId: 5, action });
    expect(nextRunMs(job as ScheduledJob, AT - 30 * HOUR_MS)).toBe(AT);
    expect(nextRunMs(job as ScheduledJob, AT + 1)).toBeNull();
  });

  it('names no other hour, whenever it is looked at, in any of the readings of start_time', async () => {
    reply = () => ({ body: { success: true } });
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 400_000 }), fc.integer({ min: 0, max: 166 }), async (hour, ahead) => {
        const atMs = (hour + ahead) * HOUR_MS;
        await vast.scheduledJobs.create({ instanceId: 5, action: 'stop', atMs });
        const body = server.calls.at(-1)?.body as Record<string, number>;
        // The live platform was seen to ignore start_time: the calendar alone must do.
        const named = Array.from({ length: ahead + 3 }, (_, hours) => new Date((hour + hours) * HOUR_MS)).filter(
          (time) => time.getUTCDay() === body['day_of_the_week'] && time.getUTCHours() === body['hour_of_the_day'],
        );
        expect(named.map(Number)).toEqual([atMs]);
        expect(body['start_time']).toBe(atMs / 1000);
        expect(body['end_time']).toBeLessThan(atMs / 1000 + 7 * 86_400);
      }),
      { numRuns: 30 },
    );
  });

  it('that is there already is named by the refusal; other refusals are errors', async () => {
    reply = () => ({ status: 422, body: { success: false, error: 'exists', scheduled_job_id: 77 } });
    const job = { instanceId: 5, action: 'stop', atMs: AT } as const;
    expect(await vast.scheduledJobs.create(job)).toEqual({ takenBy: 77 });
    reply = () => ({ status: 422, body: { success: false, msg: 'Unprocessable' } });
    await expect(vast.scheduledJobs.create(job)).rejects.toThrow('Unprocessable');
  });

  it('that is gone already is removed; a bad key is not taken for that', async () => {
    reply = () => ({ status: 404, body: { success: false, error: 'not_found', msg: 'no job' } });
    await expect(vast.scheduledJobs.remove(1)).resolves.toBeUndefined();
    reply = () => ({ status: 404, body: { success: false, error: 'auth_error', msg: 'Invalid user key' } });
    await expect(vast.scheduledJobs.remove(1)).rejects.toThrow('key');
  });

  it('of somebody else does not spoil the list, however odd its body is', async () => {
    const odd = { id: 1, instance_id: 5, api_endpoint: '/api/v0/instances/5/', request_method: 'PUT' };
    reply = () => ({
      body: [
        { ...odd, request_body: '{not json' },
        { ...odd, request_body: '{"state":"stopped"}' },
        { ...odd, request_body: null },
        { id: 2, api_endpoint: '/api/v0/instances/reboot/6/', request_method: 'PUT', request_body: {} },
        { id: 3, api_endpoint: '/api/v0/instances/7/', request_method: 'PUT', request_body: { state: 'running' } },
      ],
    });
    const jobs = await vast.scheduledJobs.list();
    expect(jobs.map(({ action }) => action)).toEqual([null, 'stop', null, null, 'start']);
    expect(jobs.at(-1)?.instanceId).toBe(7);
    reply = () => ({ body: { success: false, msg: 'no' } });
    await expect(vast.scheduledJobs.list()).rejects.toThrow('no');
    reply = () => ({ body: { jobs: [] } });
    await expect(vast.scheduledJobs.list()).rejects.toThrow('cannot be trusted');
  });
});

describe('the calendar', () => {
  const job = (more: Partial<ScheduledJob>): ScheduledJob => ({
    id: 1,
    instanceId: 5,
    action: 'stop',
    startMs: 0,
    endMs: null,
    frequency: 'HOURLY',
    dayOfWeek: null,
    hourOfDay: null,
    minuteOfHour: 0,
    ...more,
  });

  it('gives the next time that it names, never one that has passed', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 4e12 }),
        fc.constantFrom('HOURLY', 'DAILY', 'WEEKLY'),
        fc.integer({ min: 0, max: 6 }),
        fc.integer({ min: 0, max: 23 }),
        (nowMs, frequency, dayOfWeek, hourOfDay) => {
          const at = nextRunMs(job({ frequency, dayOfWeek, hourOfDay }), nowMs) ?? Number.NaN;
          const time = new Date(at);
          const every = { HOURLY: 1, DAILY: 24, WEEKLY: 168 }[frequency];
          expect(at).toBeGreaterThanOrEqual(nowMs);
          expect(at - nowMs).toBeLessThan(every * HOUR_MS);
          expect(at % HOUR_MS).toBe(0);
          if (frequency !== 'HOURLY') expect(time.getUTCHours()).toBe(hourOfDay);
          if (frequency === 'WEEKLY') expect(time.getUTCDay()).toBe(dayOfWeek);
        },
      ),
    );
  });

  it('knows the beginning and the end of a job, and jobs without a calendar', () => {
    expect(nextRunMs(job({ startMs: AT + 20 * 60_000 }), 0)).toBe(AT);
    expect(nextRunMs(job({ endMs: AT - 1 }), AT - HOUR_MS / 2)).toBeNull();
    expect(nextRunMs(job({ frequency: null, startMs: AT }), AT - 1)).toBe(AT);
    expect(nextRunMs(job({ frequency: null, startMs: AT }), AT + 1)).toBeNull();
  });
});
