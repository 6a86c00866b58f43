import { describe, expect, it } from 'vitest';
import { isAll, isMost } from './chosen.ts';
import { type Cut, type LaunchCase, type Repair, runCase, Trial } from './launch-case.ts';

/** `npm run test:faults` runs them all; `npm test` a sample that is spread over them. */
const ALL = isMost;
const SAMPLE = 7;

type Faults = LaunchCase['faults'];
const RENT = 'PUT /api/v0/asks/{id}/';

/** What the answers of one call may be instead. */
const BROKEN_ANSWERS: Faults = [
  { name: 'http-status', status: 429 },
  { name: 'http-status', status: 500 },
  { name: 'http-status', status: 403 },
  { name: 'garbage' },
  { name: 'success-false' },
  { name: 'hang' },
  { name: 'close-before' },
  { name: 'close-after' },
];

/** Launches with a history: what happened before the blow. */
const HISTORIES: Record<string, Faults> = {
  'all goes well': [],
  'the renting call is carried out and not answered': [{ name: 'close-after', route: RENT, count: 1 }],
  'the first offers are gone': [{ name: 'offer-gone', route: RENT, count: 2 }],
  'the first machine has a driver that is too old': [{ name: 'fatal-status-msg', count: 1 }],
  'the first machine exits': [{ name: 'status-exited', count: 1 }],
  'the first machine hangs in loading': [{ name: 'stuck-loading', count: 1 }],
};

interface Measured {
  calls: number;
  writes: number;
  routes: string[];
}

/** One undisturbed run tells how many calls and journal writes there are to strike at. */
async function measure(faults: Faults): Promise<Measured> {
  const trial = await Trial.open(faults);
  try {
    const { code, stderr, stdout } = await trial.launch(null);
    if (code !== 0) throw new Error(`the launch to be cut does not work: ${stdout}${stderr}`);
    return { calls: trial.proxy.calls, writes: trial.journalWrites, routes: [...trial.proxy.routes] };
  } finally {
    await trial.close();
  }
}

interface NamedCase extends LaunchCase {
  title: string;
}

function cutsOf(history: string, faults: Faults, { calls, writes, routes }: Measured): NamedCase[] {
  const cases: NamedCase[] = [];
  const add = (cut: Cut, repair: Repair | null): void => {
    const then = repair === null ? '' : `, then ${repair}`;
    const title = `${history}; ${cut.signal} ${cut.when} ${cut.at} ${cut.number}${then}`;
    cases.push({ title, faults, cut, repair });
  };
  const strike = (number: number, when: Cut['when'], isPlain: boolean): void => {
    if (isPlain || number % 2 === 0) add({ at: 'call', number, when, signal: 'SIGINT' }, null);
    const repairs: Repair[] = isPlain ? ['resume', 'undo', 'audit'] : [number % 4 === 1 ? 'resume' : 'audit'];
    if (isPlain || number % 2 === 1)
      for (const repair of repairs) add({ at: 'call', number, when, signal: 'SIGKILL' }, repair);
  };
  // A launch to which nothing else happens is struck everywhere; the others at two of three calls.
  const isPlain = faults.length === 0;
  for (let number = 1; number <= calls; number += 1) {
    // One look at a machine that hangs is like the next: a few of a hundred do.
    const isOneOfMany = [-2, 0].every((step) => routes[number + step] === routes[number - 1]);
    if (isOneOfMany && !isPlain && number % 10 > 1) continue;
    if (isPlain || number % 3 === 1) strike(number, 'before', isPlain);
    if (isPlain || number % 3 === 2) strike(number, 'after', isPlain);
  }
  for (let number = 1; number <= writes; number += 1) {
    for (const when of isPlain ? (['before', 'after'] as const) : (['before'] as const))
      add({ at: 'journal write', number, when, signal: 'SIGKILL' }, number % 2 === 0 ? 'resume' : 'undo');
  }
  return cases;
}

/** Each call of a launch answered in each of the wrong ways. */
function answerCases(routes: readonly string[]): NamedCase[] {
  return [...new Set(routes)].flatMap((route) =>
    BROKEN_ANSWERS.map((fault, at) => {
      // Once is survived by asking again; more often is a failure that must be clean.
      const count = at % 2 === 0 ? 1 : 4;
      return {
        title: `${route} answers ${JSON.stringify(fault)}, ${count} times`,
        faults: [{ ...fault, route: asPattern(route), count }],
        cut: null,
        repair: null,
      };
    }),
  );
}

function asPattern(route: string): string {
  return route.replace(/\/results\/[^/]+\//u, '/results/{name}/').replace(/\/\d+\//u, '/{id}/');
}

async function allCases(): Promise<NamedCase[]> {
  const histories = ALL ? Object.entries(HISTORIES) : Object.entries(HISTORIES).slice(0, 2);
  const cases: NamedCase[] = [];
  for (const [history, faults] of histories) {
    const measured = await measure(faults);
    cases.push(...cutsOf(history, faults, measured));
    if (faults.length === 0) cases.push(...answerCases(measured.routes.map(asPattern)));
  }
  return cases;
}

function sampleOf(cases: NamedCase[]): NamedCase[] {
  const step = Math.max(1, Math.floor(cases.length / SAMPLE));
  return cases.filter((_, at) => at % step === 0);
}

const cases = await allCases();
const chosen = isAll ? cases : isMost ? cases.filter((_, at) => at % 4 === 0) : sampleOf(cases);
process.stdout.write(`faults: ${chosen.length} of ${cases.length} cases\n`);

describe.concurrent('whatever happens to a launch, no contract is left that nobody was told of', () => {
  it.each(chosen)('$title', async (trial) => {
    expect(await runCase(trial)).toEqual([]);
  });
});
