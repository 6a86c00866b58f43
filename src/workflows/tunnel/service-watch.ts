import type { Clock } from '../../clock.js';
import { ForgeError } from '../../errors.js';
import { readServiceState, type ServiceState } from '../../instance/services/service-state.js';
import type { Carrier } from '../../ssh/carrier.js';
import type { TellTunnel } from './events.js';
import type { LocalForward } from './local-forward.js';
import { askService } from './service-answer.js';

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 5000;
const LOOK_LIMIT_MS = 20_000;

interface WatchOptions {
  carrier: Carrier;
  clock: Clock;
  tell: TellTunnel;
  /** Ends with the connection. */
  signal: AbortSignal;
}

/** Asks a service until it answers, and says meanwhile what it is at. */
export async function untilReady(forward: LocalForward, options: WatchOptions): Promise<void> {
  const { carrier, clock, tell, signal } = options;
  let told = '';
  for (let pauseMs = FIRST_PAUSE_MS; !signal.aborted; pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 1.5)) {
    const answer = await askService(carrier, forward);
    if (signal.aborted) return;
    if (answer.isThere) {
      forward.state = 'ready';
      forward.reason = null;
      tell({ event: 'ready', forward, httpStatus: answer.httpStatus });
      return;
    }
    forward.state = 'waiting';
    const state = await explain(forward, answer.reason, options);
    if (signal.aborted) return;
    if (state !== null) {
      forward.reason = state.reason;
      const telling = `${state.stage}\n${state.reason}`;
      if (telling !== told) tell({ event: 'not_ready', forward, ...state });
      told = telling;
    }
    await clock.sleep(state === null ? FIRST_PAUSE_MS / 2 : pauseMs, signal);
  }
}

/** A machine that cannot say why is no reason to stop asking. */
async function explain(forward: LocalForward, answer: string, { carrier }: WatchOptions): Promise<ServiceState | null> {
  const { service } = forward;
  if (service === null) return { stage: 'port', reason: answer, logTail: [] };
  try {
    const state = await readServiceState(carrier.connection, service, LOOK_LIMIT_MS);
    return state?.reason === '' ? { ...state, reason: answer } : state;
  } catch (error) {
    if (!(error instanceof ForgeError)) throw error;
    return { stage: 'unknown', reason: answer, logTail: [] };
  }
}
