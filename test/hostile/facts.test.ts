import { afterAll, afterEach, beforeAll, describe, it } from 'vitest';
import { isAll, isMost } from '../faults/chosen.ts';
import { expectCleanEnd } from './support/expect-clean.ts';
import { HostileHome, inTurns, type Lies } from './support/hostile-home.ts';

/** Every command that reads a machine; none changes it. `npm test` takes each fourth. */
const READ_MACHINE = [
  'show web',
  'upgrade web --dry-run',
  'upgrade web --dry-run --extensions',
  'upgrade web --check',
  'upgrade web --rollback --dry-run',
  'upgrade history web',
  'venv ls web',
  'venv diff web:now web:latest',
  'venv restore web latest --exact --dry-run',
  'venv install web einops --dry-run',
  'env ls web --origin',
  'env set web A=1 --dry-run',
  'service ls web',
  'service status web',
  'service restart web forge --dry-run',
  'service reload web --dry-run',
  'provision status web',
  'provision logs web',
  'logs web --list',
  'logs web --tail 20',
  'snapshot create web --dry-run',
  'migrate web other --dry-run',
  'migrate other web --dry-run',
  'wait web --for forge --timeout 5m',
  'audit',
  'cp web:none .',
];

/** Every command whose answer is the API's. */
const READ_API = [
  ...[
    'ls',
    'show web',
    'offers',
    'offers --explain',
    'offers --plot',
    'whoami',
    'cost',
    'cost --chart',
    'audit',
    'keys ls',
  ],
  ...['ssh-config', 'env account ls', 'logs web --container', 'bid web 0.5 --dry-run', 'limit web --in 2h --dry-run'],
  ...['launch --best --dry-run', 'clone web --dry-run', 'stop web --dry-run', 'wait web --for ssh --timeout 2m'],
];

const hostile = new HostileHome();
beforeAll(() => hostile.start({ withOther: isMost }));
afterEach(() => {
  hostile.machineLies(null);
  hostile.api.lies = null;
});
afterAll(() => hostile.stop());

/** In turns of words and of JSON. */
async function runAll(commands: readonly string[], lies: Lies): Promise<void> {
  const chosen = commands.filter((_, at) => isMost || at % 4 === 1);
  const jobs = chosen.map((command, at) => [...command.split(' '), ...((at + lies.seed) % 2 === 0 ? [] : ['--json'])]);
  await inTurns(jobs, async (words) => expectCleanEnd(words, await hostile.run(words), lies));
}

/** The first ones have found something once. */
const SEEDS = [7, 4, 6, ...Array.from({ length: 21 }, (_, at) => at + 8)].slice(0, isAll ? 24 : isMost ? 4 : 1);
/** Few lies let a command come far; many find what is read first. */
const SHARES = [0.15, 0.05, 0.5, 0.3];

describe('facts that are none', () => {
  it.each(SEEDS)('of a machine: no command calls them its own mistake (seed %i)', async (seed) => {
    const lies: Lies = { seed, share: seed < 8 ? 0.3 : (SHARES[seed % 4] ?? 0.3), values: 'all' };
    hostile.machineLies(lies);
    await runAll(READ_MACHINE, lies);
  });

  it.each(SEEDS)('of the API: no command calls them its own mistake (seed %i)', async (seed) => {
    const lies: Lies = { seed, share: (SHARES[seed % 4] ?? 0.3) / 10, values: 'all' };
    hostile.api.lies = lies;
    await runAll(READ_API, lies);
  });

  it('of a log reader that begins with something else: it is not waited for (seed 4)', async () => {
    const lies: Lies = { seed: 4, share: 0.3, values: 'all' };
    hostile.machineLies(lies);
    const words = ['logs', 'web', '--list', '--json'];
    expectCleanEnd(words, await hostile.run(words), lies);
  });
});
