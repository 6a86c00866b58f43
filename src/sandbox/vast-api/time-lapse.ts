import type { World } from '../world.js';
import type { Contracts } from './contracts.js';
import { runDueJobs } from './routes-jobs.js';

const HOUR_MS = 3_600_000;
/** While a machine is on its way, its steps take seconds. */
const SHORT_STEP_MS = 15_000;

/** Lets time pass at once, from one full hour to the next, so that whatever is due on the way happens at its time. */
export async function letTimePass(deps: { world: World; contracts: Contracts }, ms: number): Promise<void> {
  const { world, contracts } = deps;
  for (let left = ms; left > 0; ) {
    const toFullHour = HOUR_MS - (world.now() % HOUR_MS);
    const isBusy = world.living().some(({ phaseUntilMs }) => phaseUntilMs !== null);
    const step = Math.min(left, toFullHour, isBusy ? SHORT_STEP_MS : HOUR_MS);
    world.advance(step);
    left -= step;
    contracts.tick();
    runDueJobs(world, contracts);
    // Stopping a machine takes real time.
    await contracts.settled();
  }
  world.save();
}
