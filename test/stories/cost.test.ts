import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Sandbox, startSandbox } from '../../src/sandbox/sandbox.ts';
import { openInertMachine } from '../faults/inert-machine.ts';
import { Home } from '../support/forgectl.ts';

interface CostReport {
  burn_per_hour_usd: number;
  stopped_disks_per_day_usd: number;
  volumes_per_day_usd: number;
  credit_usd: number;
  credit_left_h: number | null;
  spent_usd: number;
  spent_today_usd: number;
  is_estimate: boolean;
  contracts: { source: string; exists: boolean; spent_usd: number; gpu_usd: number; disk_usd: number }[];
  days: { day: string; spent_usd: number }[] | null;
}

interface Row {
  id: number;
  state: string;
  spent_usd: number;
  spent_is_estimate: boolean;
  limit_is_known: boolean;
  limit_action: string | null;
  limit_at: string | null;
  time_left_s: number;
  time_left_until: string;
}

interface Failed {
  error: { code: string; exit: number; hint: string };
}

const CHARGES = 'GET /api/v0/charges/';
const JOBS = 'GET /api/v0/commands/schedule_job/';
const CREATE_JOB = 'POST /api/v0/commands/schedule_job/';
const LAUNCH = ['launch', '--best', '--yes', '--wait-for', 'api'];
const START_CREDIT_USD = 25;

/** Machines in which nothing runs: the subject is what the platform does and bills, whether forgectl runs or not. */
const home = new Home({ FORGECTL_SANDBOX: '1' });
let sandbox: Sandbox;

beforeAll(async () => {
  const stateDir = join(home.directory, 'sandbox');
  sandbox = await startSandbox({ stateDir, openMachine: openInertMachine, timeScale: 200, seed: 1 });
});
afterAll(async () => {
  await sandbox.close();
  rmSync(home.directory, { recursive: true, force: true });
});
beforeEach(async () => void (await home.call('DELETE', '/sandbox/faults/')));

const advance = (hours: number) => home.call('PUT', '/sandbox/clock/', { advance_s: hours * 3600 });
const fault = (body: Record<string, unknown>) => home.call('PUT', '/sandbox/faults/', body);
const jobsOf = async (id: number) => {
  const { body } = await home.call('GET', '/api/v0/commands/schedule_job/');
  return (body as { instance_id: number; frequency: string; request_method: string }[]).filter(
    (job) => job.instance_id === id,
  );
};
const contract = async (id: number) => {
  const { body } = await home.call('GET', '/sandbox/ledger/');
  return (body as { contracts: { id: number; phase: string; destroyed_at: string | null }[] }).contracts.find(
    (found) => found.id === id,
  );
};
const living = async () => {
  const { body } = await home.call('GET', '/sandbox/ledger/');
  return (body as { contracts: { destroyed_at: string | null }[] }).contracts.filter(
    ({ destroyed_at: end }) => end === null,
  ).length;
};
const row = async (id: number): Promise<Row> => {
  const rows = (await home.json(['ls'])) as unknown as Row[];
  return rows.find((found) => found.id === id) as Row;
};

describe('a limit', () => {
  let id = 0;

  it('is written as a job of the platform, read back, and shown with the time left', async () => {
    const words = [...LAUNCH, '--label', 'limited', '--max-lifetime', '5h', '--max-spend', '20'];
    const launched = await home.json<{ id: number; limit_action: string; limit_at: string }>(words);
    id = launched.id;
    expect(launched).toMatchObject({ limit_action: 'stop', limit_at: expect.stringMatching(/:00:00\.000Z$/u) });
    expect(await jobsOf(id)).toMatchObject([{ frequency: 'WEEKLY', request_method: 'PUT' }]);
    const [listed, shown, human] = await Promise.all([row(id), home.json<Row>(['show']), home.run(['ls'])]);
    for (const found of [listed, shown]) {
      expect(found).toMatchObject({ limit_action: 'stop', limit_at: launched.limit_at, time_left_until: 'stop' });
      expect(found.time_left_s).toBeGreaterThan(2.5 * 3600);
      expect(found.time_left_s).toBeLessThanOrEqual(5 * 3600);
    }
    expect([listed.spent_is_estimate, shown.spent_is_estimate]).toEqual([true, false]);
    expect(human.stdout).toMatch(/\$\/H.*\$ SO FAR.*AGE.*LEFT/u);
    expect(human.stdout).toMatch(/~\d\.\d\d .*stops in \dh \d\dm/u);
  });

  it('stops the machine without any forgectl, never before its hour; its disk goes on costing', async () => {
    const { limit_at: limitAt } = await row(id);
    const now = ((await home.call('GET', '/sandbox/clock/')).body as { now: string }).now;
    const hours = (Date.parse(limitAt ?? '') - Date.parse(now)) / 3_600_000;
    await advance(hours - 0.4);
    expect((await contract(id))?.phase).toBe('running');
    await advance(0.5);
    expect((await contract(id))?.phase).toBe('exited');
    const stopped = await row(id);
    expect(stopped).toMatchObject({ state: 'stopped', limit_action: null, time_left_until: 'contract_end' });
    const cost = await home.json<CostReport>(['cost']);
    expect(cost.stopped_disks_per_day_usd).toBeGreaterThan(0);
    expect(cost.burn_per_hour_usd).toBeCloseTo(cost.stopped_disks_per_day_usd / 24, 5);
    expect(cost.credit_left_h).toBeGreaterThan(1000);
  });

  it('that has passed is told of when the machine is started again', async () => {
    const started = await home.run(['start', 'limited']);
    expect(started.code, started.stderr).toBe(0);
    expect(started.stderr).toContain('its limit has passed');
  });

  it('is changed: shown, planned, asked for, and read back; then it destroys the machine without any forgectl', async () => {
    expect(await home.json(['limit', 'limited'])).toMatchObject({ changed: false, limit_action: null });
    const words = ['limit', 'limited', '--in', '2h', '--on-limit', 'destroy'];
    const [dry, unasked] = await Promise.all([home.json([...words, '--dry-run']), home.run(words)]);
    expect(dry).toMatchObject({ dry_run: true, changed: false, limit_action: 'destroy' });
    expect(unasked.code).toBe(2);
    expect(unasked.stderr).toContain('--yes');
    expect((await row(id)).limit_action).toBeNull();
    const done = await home.json<{ limit_at: string }>([...words, '--yes']);
    expect(done).toMatchObject({ changed: true, limit_action: 'destroy' });
    expect(await row(id)).toMatchObject({ limit_action: 'destroy', limit_at: done.limit_at });
    const started = await home.run(['start', 'limited', '--dry-run']);
    expect(started.stderr).toMatch(/the platform will destroy it at .* UTC/u);
    await advance(3.2);
    const gone = await contract(id);
    expect(gone?.destroyed_at?.slice(0, 16)).toBe(done.limit_at.slice(0, 16));
    expect(await row(id)).toBeUndefined();
  });

  it('goes with its machine: destroy leaves no job behind; so does --clear', async () => {
    const launched = await home.json<{ id: number }>([...LAUNCH, '--label', 'short', '--max-lifetime', '5h']);
    expect((await home.run(['limit', 'short', '--clear'])).code).toBe(2);
    expect(await home.json(['limit', 'short', '--clear', '--yes'])).toMatchObject({ changed: true, limit_at: null });
    expect(await jobsOf(launched.id)).toEqual([]);
    const spend = await home.json<{ limit_action: string }>(['limit', 'short', '--max-spend', '3']);
    expect(spend).toMatchObject({ limit_action: 'stop', changed: true });
    const small = await home.json<Failed>(['limit', 'short', '--max-spend', '0.000001']);
    expect(small.error).toMatchObject({ exit: 6 });
    expect(await jobsOf(launched.id)).toHaveLength(1);
    expect((await home.run(['destroy', 'short', '--yes'])).code).toBe(0);
    expect(await jobsOf(launched.id)).toEqual([]);
  });

  it('that the platform cannot keep is refused before anything is rented', async () => {
    const [tiny, far] = await Promise.all([
      home.json<Failed>([...LAUNCH, '--max-spend', '0.01']),
      home.json<Failed>([...LAUNCH, '--max-lifetime', '30d']),
    ]);
    expect(tiny.error).toMatchObject({ code: 'LIMIT_TOO_SMALL', exit: 6 });
    expect(far.error).toMatchObject({ code: 'LIMIT_TOO_FAR', exit: 2 });
    expect(await living()).toBe(0);
  });

  it('that has passed meanwhile ends a resumed launch, and its machine is not called a bad one', async () => {
    const cut = await home.run([...LAUNCH, '--max-lifetime', '3h', '--json', '--events'], {
      onStdout: (text, kill) => {
        if (/"stage_done".*"stage":"limit"/u.test(text)) kill('SIGKILL');
      },
    });
    expect(cut.signal).toBe('SIGKILL');
    await advance(4);
    const resumed = await home.json<Failed>(['resume']);
    expect(resumed.error).toMatchObject({ code: 'LIMIT_REACHED', exit: 6 });
    expect(resumed.error.hint).toContain('nothing is billed any more');
    expect(await living()).toBe(0);
    expect(await home.json(['hosts', 'ls'])).toEqual([]);
  });

  it.each([
    [{ name: 'http-status', status: 500, route: CREATE_JOB, count: 1 }, 14],
    [{ name: 'http-status', status: 403, route: CREATE_JOB, count: 1 }, 4],
    [{ name: 'garbage', route: JOBS, count: 1 }, 14],
  ])('that cannot be proved ends the machine: %j', async (broken, exit) => {
    await fault(broken);
    const failed = await home.json<Failed>([...LAUNCH, '--max-lifetime', '5h']);
    expect(failed.error.exit).toBe(exit);
    expect(failed.error.hint).toContain('nothing is billed any more');
    expect(await living()).toBe(0);
  });
});

describe('the bill', () => {
  const bill = async (query: string) => {
    const day = encodeURIComponent(JSON.stringify({ day: { gte: 0, lte: 4_000_000_000 } }));
    const { status, body } = await home.call('GET', `/api/v0/charges/?select_filters=${day}${query}`);
    expect(status).toBe(200);
    return body as {
      count: number;
      total: number;
      next_token: string | null;
      results: {
        source: string;
        amount: number;
        metadata: { label?: string };
        items: { type: string; amount: number }[];
      }[];
    };
  };

  it('agrees with the credit to the rounding, also for what is gone, and in pages of one', async () => {
    await home.run([...LAUNCH, '--label', 'days']);
    const [offer] = (await home.json(['offers', '--limit', '1'])) as unknown as { id: number }[];
    await home.call('PUT', '/api/v0/volumes/', { id: offer?.id, size: 200, name: 'models' });
    await advance(30);
    await home.run(['stop', 'days']);
    await advance(50);
    const whole = await bill('');
    const pages: typeof whole.results = [];
    for (let token: string | null = ''; token !== null; ) {
      const page = await bill(`&limit=1&after_token=${encodeURIComponent(token)}`);
      expect(page).toMatchObject({ count: 1, total: whole.total });
      pages.push(...page.results);
      token = page.next_token;
    }
    expect(pages.map(({ source }) => source)).toEqual(whole.results.map(({ source }) => source));
    const { credit } = (await home.call('GET', '/api/v0/users/current/')).body as { credit: number };
    const spent = pages.reduce((sum, { items }) => sum + items.reduce((part, { amount }) => part + amount, 0), 0);
    expect(spent).toBeCloseTo(START_CREDIT_USD - credit, 2);
    for (const { amount, items } of pages)
      expect(Math.abs(items.reduce((sum, item) => sum + item.amount, 0) - amount)).toBeLessThanOrEqual(0.0005);
    expect(pages.some(({ source, metadata }) => source.startsWith('volume-') && metadata.label === 'models')).toBe(
      true,
    );
    expect(pages.length).toBeGreaterThan(5);
    const refused = await home.call('GET', '/api/v0/charges/?limit=10');
    expect(refused.status).toBe(400);
    expect(
      (
        await home.call(
          'GET',
          '/api/v0/charges/?select_filters=%7B%22day%22%3A%7B%22gte%22%3A0%2C%22lte%22%3A1%7D%7D&after_token=x',
        )
      ).status,
    ).toBe(400);
  });

  it('is told by contract, kind and day, and the days add up', async () => {
    const cost = await home.json<CostReport>(['cost']);
    expect(cost.is_estimate).toBe(false);
    const sumOf = (amounts: number[]): number => amounts.reduce((sum, usd) => sum + usd, 0);
    expect(cost.spent_usd).toBeCloseTo(START_CREDIT_USD - cost.credit_usd, 1);
    expect(sumOf(cost.contracts.map(({ spent_usd: usd }) => usd))).toBeCloseTo(cost.spent_usd, 4);
    expect(cost.days).toHaveLength(30);
    expect(sumOf((cost.days ?? []).map(({ spent_usd: usd }) => usd))).toBeCloseTo(cost.spent_usd, 1);
    expect(cost.days?.at(-1)?.spent_usd).toBeCloseTo(cost.spent_today_usd, 2);
    expect(cost.contracts.filter(({ exists }) => !exists).length).toBeGreaterThan(2);
    expect(cost.volumes_per_day_usd).toBeGreaterThan(0);
  });

  it('is drawn in 80 columns in a pipe, without colour, and in ASCII where the terminal knows no better', async () => {
    const [wide, ascii, one] = await Promise.all([
      home.run(['cost']),
      home.run(['cost', '--days', '7'], { env: { LANG: 'C' } }),
      home.json<CostReport>(['cost', '--instance', 'days', '--no-chart']),
    ]);
    expect(wide.stdout).toMatch(
      /Burn rate .*\nStopped disks .*\nSpent today .* UTC\nSpent in 30 days .*\nCredit .* h at this rate/u,
    );
    expect(wide.stdout).toContain('Spent by day, UTC');
    const bars = wide.stdout.split('\n').filter((line) => /^\d\d-\d\d {2}[█░]/u.test(line));
    expect(bars.length).toBeGreaterThan(2);
    const longest = Math.max(...bars.map((line) => [...line].length));
    // The longest bar fills its line but for what another's amount is longer.
    expect(longest).toBeLessThanOrEqual(80);
    expect(longest).toBeGreaterThan(76);
    expect(ascii.stdout).toMatch(/^\d\d-\d\d {2}[#-]+ {2}\$/mu);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: everything beyond ASCII
    expect(ascii.stdout).not.toMatch(/[^\u0000-\u007f]/u);
    expect(one.contracts.map(({ source }) => source)).toEqual([expect.stringMatching(/^instance-/u)]);
    expect(one.days).toBeNull();
    expect((await home.json<Failed>(['cost', '--instance', 'nobody', '--no-chart'])).error.exit).toBe(3);
  });

  it('is estimated, and says so, for a key that may not read it', async () => {
    const { body } = await home.call('POST', '/api/v0/auth/apikeys/', {
      name: 'no billing',
      permissions: { api: { misc: {}, user_read: {}, instance_read: {}, instance_write: {} } },
    });
    const file = join(home.directory, 'sandbox', 'sandbox.json');
    const about = readFileSync(file, 'utf8');
    writeFileSync(file, JSON.stringify({ ...JSON.parse(about), api_key: (body as { key: string }).key }));
    const [cost, human, list] = await Promise.all([
      home.json<CostReport & { estimate_reason: string }>(['cost']),
      home.run(['cost', '--no-chart']),
      home.run(['ls', '--charges', '--json']),
    ]).finally(() => writeFileSync(file, about));
    expect(cost).toMatchObject({ is_estimate: true, estimate_reason: expect.stringContaining('billing_read') });
    expect(cost.contracts.every(({ exists }) => exists)).toBe(true);
    expect(human.stdout).toContain('about $');
    expect(human.stderr).toContain('estimated');
    expect(human.code).toBe(0);
    expect(list.code).toBe(0);
    expect(JSON.parse(list.stdout)).toMatchObject([{ spent_is_estimate: true, spent_is_at_least: true }]);
  });

  it.each([{ name: 'http-status', status: 500 }, { name: 'garbage' }, { name: 'success-false' }])(
    'that is broken by %j fails a cost report',
    async (what) => {
      await fault({ ...what, route: CHARGES });
      const cost = await home.run(['cost', '--no-chart', '--json']);
      expect(cost.code).toBe(14);
      expect(JSON.parse(cost.stdout)).toMatchObject({ error: { exit: 14 } });
    },
  );

  it.each([{ name: 'garbage' }, { name: 'hang' }])('that is broken by %j does not spoil a list', async (what) => {
    for (const route of [CHARGES, JOBS]) await fault({ ...what, route });
    // What hangs is waited for as long.
    const list = await home.run(['ls', '--charges', '--json'], { env: { FORGECTL_API_TIMEOUT: '3' } });
    expect(list.code).toBe(0);
    expect(JSON.parse(list.stdout)).toMatchObject([{ limit_is_known: false, limit_at: null, spent_is_estimate: true }]);
    expect(list.stderr).toContain('Limits are not shown');
  });

  it('is asked for again when the API is busy', async () => {
    await fault({ name: 'http-status', status: 429, route: CHARGES, count: 1 });
    expect((await home.json<CostReport>(['cost', '--no-chart'])).is_estimate).toBe(false);
  });
});
