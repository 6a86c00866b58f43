import { systemClock } from '../clock.js';
import type { Reporter } from '../ui/reporter.js';
import { Meter } from '../workflows/copy/meter.js';
import { LARGE_BYTES } from '../workflows/copy/plan.js';
import { readStagingKey } from '../workflows/copy/staging.js';
import type { TransferContext } from '../workflows/copy/transfer.js';
import { WayThroughHere } from '../workflows/copy/way.js';
import type { OpenEnds } from './copy-ends.js';
import { describeProblem } from './copy-output.js';
import type { ProgressTeller } from './copy-progress.js';

/** The rest is in --json. */
export const MOST_WARNINGS = 20;

export interface TransferWishes {
  ends: OpenEnds;
  bytes: number;
  bwlimit: number | null;
  parallel: number | null;
  resume: boolean;
  /** Where this user's key for the names of staging folders is kept. */
  stateDir: string;
  signal: AbortSignal;
  stop: (reason: unknown) => void;
}

/** What the engine works with: the two sides, who is told, and how many streams the way is worth. */
export function transferContext(
  { ends, bytes, bwlimit, parallel, resume, stateDir, signal, stop }: TransferWishes,
  reporter: Reporter,
  teller: ProgressTeller,
): TransferContext {
  let warnings = 0;
  const { source, destination } = ends;
  const goesThroughHere = !source.isLocal && !destination.isLocal;
  for (const { runner } of ends.ways) runner.isPassedOn = goesThroughHere;
  const meter = new Meter({ clock: systemClock, signal, mostBytesPerS: bwlimit, onProgress: teller.progress });
  return {
    source,
    destination,
    way: new WayThroughHere({ source, destination, meter }),
    meter,
    clock: systemClock,
    signal,
    stop,
    lanes: chooseLanes(ends, parallel, bytes),
    leastShareBytes: LARGE_BYTES / 4,
    keepOwner: goesThroughHere,
    stagingKey: readStagingKey(stateDir),
    resume,
    onProblem: (path, problem) => {
      const shown = destination.show(path);
      reporter.event('problem', { path: shown, kind: problem.kind, detail: problem.detail });
      warnings += 1;
      if (warnings <= MOST_WARNINGS) reporter.warn(describeProblem(shown, problem));
      else if (warnings === MOST_WARNINGS + 1) reporter.warn('… and more; --json has all of them.');
    },
    onLoss: (error) => {
      reporter.event('connection_lost', { message: error.message });
      reporter.info(`${error.message} Going on where it stopped …`);
    },
  };
}

const NEAR_MS = 8;
/** Less is done before another login. */
const WORTH_A_LOGIN_BYTES = 64 * 1024 * 1024;

/** Far away, one stream is held up by its window, and several connections go faster than one. */
function chooseLanes({ ways }: OpenEnds, wished: number | null, bytes: number): number {
  const isNear = Math.max(...ways.map(({ runner }) => runner.roundTripMs ?? 0)) < NEAR_MS;
  const lanes = wished ?? (isNear ? 3 : 8);
  const most = Math.min(isNear ? 2 : 4, Math.ceil(lanes / 2));
  for (const { pool } of ways) pool.widen(Math.min(most, 1 + Math.floor(bytes / WORTH_A_LOGIN_BYTES)));
  return lanes;
}
