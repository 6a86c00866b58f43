import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { isMost } from '../faults/chosen.ts';
import { Home } from '../support/forgectl.ts';

/** Sandbox seconds in one of ours: a minute's look is a sixth of a second. */
const TIME_SCALE = '360';
const SEARCH = 'POST /api/v0/bundles/';

interface Row {
  id: number;
  gpu_name: string;
  price_per_hour_usd: number;
  value: number;
  runs_image: string;
}
interface Explained {
  id: number;
  score: number;
  rank: number | null;
  would_rank: number;
  matching: number;
  hidden_by: { name: string; switch_off: string | null }[];
  parts: { name: string; factor: number }[];
}
interface Failed {
  error: { code: string; exit: number; hint: string } & Record<string, unknown>;
}

const home = new Home({ FORGECTL_SANDBOX: '1' });
const list = async (...words: string[]): Promise<Row[]> =>
  (await home.json(['offers', '--limit', '1000', ...words])) as unknown as Row[];
let everything: Row[] = [];
let anyCuda: Row[] = [];

beforeAll(async () => {
  const started = await home.run(['sandbox', 'start', '--time-scale', TIME_SCALE]);
  expect(started.code, started.stderr).toBe(0);
  [everything, anyCuda] = await Promise.all([list(), list('--any-cuda', '--query', 'cpu_arch=any')]);
});
afterAll(() => home.remove());
afterEach(async () => {
  await home.call('DELETE', '/sandbox/faults/');
  await home.call('DELETE', '/sandbox/offers/');
});

const pascal = (): string => String(anyCuda.find((row) => row.gpu_name === 'GTX 1080 Ti')?.id);

describe('offers', () => {
  it('prints the filters nobody asked for, with the way to switch each off, and the start', async () => {
    const { stdout, stderr, code } = await home.run(['offers', '--limit', '3']);
    expect(code).toBe(0);
    expect(stdout.split('\n')[0]).toMatch(/OFFER.*\$\/H.*START/u);
    expect(stdout).toMatch(/~\d+ min/u);
    for (const off of ['--reliability 0', '--unverified', '--any-port', '--any-cuda']) expect(stderr).toContain(off);
  });

  it('shows H100s and Blackwell, and no card that the image cannot run on', () => {
    const names = new Set(everything.map((row) => row.gpu_name));
    for (const name of ['H100 NVL', 'B200', 'RTX 5090', 'Tesla V100', 'Tesla T4']) expect(names).toContain(name);
    for (const name of ['GTX 1080 Ti', 'Tesla P40', 'GH200 SXM', 'MI300X', 'H100 PCIE'])
      expect(names).not.toContain(name);
  });

  it('--any-cuda shows them too, last', () => {
    const at = (name: string) => anyCuda.findIndex((row) => row.gpu_name === name);
    expect(anyCuda[at('GTX 1080 Ti')]).toMatchObject({ value: 0, runs_image: 'no' });
    expect(anyCuda[at('GH200 SXM')]).toMatchObject({ value: 0, runs_image: 'no' });
    expect(anyCuda[at('H100 PCIE')]).toMatchObject({ runs_image: 'maybe' });
    expect(anyCuda.slice(at('GTX 1080 Ti')).every((row) => row.value === 0)).toBe(true);
  });

  it('--explain: the parts multiply to the score that ranks', async () => {
    const [first, , third] = everything;
    const [data, human] = await Promise.all([
      home.json<{ offers: Explained[] }>(['offers', '--explain', `${third?.id},${first?.id}`]),
      home.run(['offers', '--explain', String(third?.id)]),
    ]);
    for (const offer of data.offers) {
      expect(offer.score).toBe(offer.parts.reduce((product, { factor }) => product * factor, 1));
      expect(everything[(offer.rank ?? 0) - 1]?.value).toBeCloseTo(offer.score, 1);
      expect(offer).toMatchObject({ matching: everything.length, hidden_by: [], would_rank: offer.rank });
    }
    expect(data.offers.map(({ rank }) => rank)).toEqual([3, 1]);
    expect(human.stdout).toContain(`Number 3 of ${everything.length}.`);
    expect(human.stdout).toMatch(/reliability +0\.\d+ +-\d+%/u);
    expect(human.stdout).toContain(`Behind the first, offer ${first?.id}`);
  });

  it('--explain: an offer that is not in the list says which filters hide it, and where it would stand', async () => {
    const cheap = everything.find((row) => row.gpu_name === 'RTX 3090');
    const [data, human] = await Promise.all([
      home.json<{ offers: Explained[] }>([
        'offers',
        ...['--gpu', 'RTX_5090', '--max-price', '0.01', '--explain', String(cheap?.id)],
      ]),
      home.run(['offers', '--explain', pascal()]),
    ]);
    expect(data.offers[0]).toMatchObject({ rank: null, would_rank: 1, matching: 0 });
    expect(data.offers[0]?.hidden_by.map(({ name }) => name)).toEqual(['gpu', 'max_price']);
    expect(human.code).toBe(0);
    expect(human.stdout).toMatch(/Hidden by "runs the image.*--any-cuda/u);
    expect(human.stdout).toContain('capability 6.1');
  });

  it('--explain: an offer that is nowhere is exit 3; one of several is exit 12', async () => {
    const [none, some] = await Promise.all([
      home.json<Failed>(['offers', '--explain', '99']),
      home.run(['offers', '--explain', '99', '--explain', String(everything[0]?.id), '--json']),
    ]);
    expect(none).toMatchObject({ error: { code: 'OFFER_NOT_FOUND', exit: 3, offer_ids: [99] } });
    expect(some.code).toBe(12);
    expect(JSON.parse(some.stdout)).toMatchObject({ missing_offer_ids: [99], offers: [{ id: everything[0]?.id }] });
  });
});

describe('when nothing matches', () => {
  it('an empty list is done, and says which filter to give up and what to type; so does --relax as data', async () => {
    const asked = ['--gpu', 'RTX_4090', '--max-price', '0.1'];
    const [human, report] = await Promise.all([
      home.run(['offers', ...asked]),
      home.json<{ relax: { command: string; offers_with_command: number }[] }>(['offers', '--relax', ...asked]),
    ]);
    expect(human).toMatchObject({ code: 0, stdout: '' });
    expect(human.stderr).toMatch(/without "at most \$0\.1\/h": \d+ offers, from \$0\.28/u);
    expect(report).toMatchObject({ matching: 0, cannot_run_image: 0 });
    for (const { command } of report.relax) expect(human.stderr).toContain(command);
    const [advice] = report.relax;
    const typed = (advice?.command ?? '').split(' ').slice(2);
    expect(await list(...typed)).toHaveLength(advice?.offers_with_command ?? -1);
  });

  it('launch is exit 5 with the same advice, and shows no secret that was typed', async () => {
    const argv = ['launch', '--best', '--yes', '--gpu', 'H100_PCIE', '--env', 'HF_TOKEN=hf_secret123'];
    const [{ error }, human] = await Promise.all([home.json<Failed>(argv), home.run(argv)]);
    expect(error).toMatchObject({ code: 'NO_OFFER', exit: 5, matching: 0 });
    expect(error['relax']).toContainEqual(expect.objectContaining({ filters: ['image'], offers: 1 }));
    expect(human.code).toBe(5);
    expect(human.stderr).toContain('forgectl launch --best --yes --gpu H100_PCIE --env … --any-cuda');
    expect(JSON.stringify(error) + human.stderr).not.toContain('hf_secret');
  });

  it('launch never takes a machine that cannot run the image by itself, and warns of one that was named', async () => {
    const [{ error }, named] = await Promise.all([
      home.json<Failed>(['launch', '--best', '--yes', '--gpu', 'GTX_1080_Ti', '--any-cuda']),
      home.run(['launch', '--offer', pascal(), '--dry-run']),
    ]);
    expect(error).toMatchObject({ code: 'NO_OFFER', exit: 5, matching: 1, avoided: 0 });
    expect(named.stderr).toMatch(/cannot run on offer \d+: compute capability 6\.1/u);
    expect(named.stdout).toMatch(/Start +~\d+ min until Forge answers/u);
  });

  it('a bid that no host takes is told with the least one', async () => {
    const { error } = await home.json<Failed>(['launch', '--best', '--bid', '0.001', '--dry-run']);
    expect(error).toMatchObject({ code: 'BID_TOO_LOW', exit: 6, min_bid_per_hour_usd: expect.any(Number) });
    expect(error.hint).toMatch(/forgectl launch --best --dry-run --bid 0\.0\d+/u);
  });
});

describe('offers --plot', () => {
  it('fits 80 columns in a pipe, marks the best machines, and lists them', async () => {
    const [{ stdout, code }, { points }] = await Promise.all([
      home.run(['offers', '--plot']),
      home.json<{ points: { id: number; mark: number | null }[] }>(['offers', '--plot']),
    ]);
    expect(code).toBe(0);
    expect(Math.max(...stdout.split('\n').map((line) => [...line].length))).toBeLessThanOrEqual(80);
    const marked = points.filter(({ mark }) => mark !== null);
    expect(marked.map(({ mark }) => mark)).toEqual([1, 2, 3, 4, 5]);
    for (const { id, mark } of marked) expect(stdout).toMatch(new RegExp(`^${mark} +${id} `, 'mu'));
    expect(points).toHaveLength(everything.length);
  });

  it('is ASCII where the locale is, and says what has no speed', async () => {
    const [posix, nothing] = await Promise.all([
      home.run(['offers', '--plot', '--gpu', 'RTX_4090'], { env: { LC_ALL: 'POSIX' } }),
      home.run(['offers', '--plot', '--gpu', 'RTX_4070', '--reliability', '0']),
    ]);
    expect(posix.stdout).toMatch(/^[\n -~]+$/u);
    expect(nothing.stdout).toBe('Nothing to draw.\n1 offer has no speed and cannot be drawn.\n');
  });
});

describe('offers --watch', () => {
  const WATCH = ['offers', '--gpu', 'RTX_4090', '--watch'];

  it.runIf(isMost)(
    'reports what became cheaper, through 500, garbage and 429, until Ctrl-C, which is 130 (long)',
    async () => {
      const row = everything.find((candidate) => candidate.gpu_name === 'RTX 4090');
      const trouble = [{ name: 'http-status', status: 500 }, { name: 'garbage' }, { name: 'http-status', status: 429 }];
      let step = 0;
      const { code, stdout } = await home.run([...WATCH, '--json', '--events'], {
        onStdout: (text, kill) => {
          if (step === 0 && text.includes('watch_started')) {
            step = 1;
            void (async () => {
              for (const fault of trouble)
                await home.call('PUT', '/sandbox/faults/', { ...fault, route: SEARCH, count: 1 });
              await home.call('PUT', `/sandbox/offers/${row?.id}/`, { dph_base: 0.05 });
            })();
          }
          if (step === 1 && text.includes('offer_cheaper')) {
            step = 2;
            void home.call('PUT', `/sandbox/offers/${row?.id}/`, { listed: false });
          }
          if (text.includes('offer_gone')) kill('SIGINT');
        },
      });
      const lines = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, unknown> & { event: string });
      expect(code).toBe(130);
      expect(lines.filter(({ event }) => event === 'offer_cheaper')).toMatchObject([
        { id: row?.id, price_per_hour_before_usd: row?.price_per_hour_usd },
      ]);
      expect(lines.filter(({ event }) => event === 'warning').length).toBeGreaterThanOrEqual(2);
      const last = lines.at(-1) as unknown as Failed & { event: string };
      expect(last.event).toBe('failed');
      expect(last.error).toMatchObject({ code: 'INTERRUPTED', exit: 130 });
      expect((last.error['changes'] as { kind: string }[]).map(({ kind }) => kind)).toEqual(['cheaper', 'gone']);
    },
  );

  it('--until-found ends with the first find, and is exit 7 when there is none in time', async () => {
    const [human, none] = await Promise.all([
      home.run([...WATCH, '--below', '0.4', '--until-found']),
      home.json<Failed>([...WATCH, '--below', '0.01', '--until-found', '--timeout', '8m', '--interval', '30s']),
    ]);
    expect(human).toMatchObject({ code: 0 });
    expect(human.stdout).toMatch(/^\d\d:\d\d:\d\d {2}new {6}offer \d+ {2}1x RTX 4090 {2}\$0\.\d+\/h/mu);
    expect(none.error).toMatchObject({ code: 'NOT_FOUND_IN_TIME', exit: 7, changes: [] });
    expect(none.error['looks']).toBeGreaterThanOrEqual(2);
  });

  it('a look more often than the API allows, or a flag of the watch without it, is wrong usage', async () => {
    const asked = [
      ['--watch', '--interval', '5s'],
      ['--below', '0.3'],
      ['--watch', '--plot'],
      ['--explain', 'best'],
    ];
    const answers = await Promise.all(asked.map((words) => home.json<Failed>(['offers', ...words])));
    for (const { error } of answers) expect(error.exit).toBe(2);
  });
});
