import { systemClock } from '../clock.js';
import { EXIT, ForgeError } from '../errors.js';
import { isRunning } from '../process-identity.js';
import { askTunnel } from './tunnel-control.js';
import type { TunnelEntry } from './tunnel-registry.js';

const ENDS_WITHIN_MS = 5000;
const LOOK_EVERY_MS = 50;

/** Asks it to end, then tells it to, and reads back that the process is gone. */
export async function stopTunnel(entry: TunnelEntry): Promise<void> {
  await askTunnel(entry.socket, { do: 'stop' }).catch(() => {});
  if (await hasEnded(entry)) return;
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    // Looked at once more: a number that is free may be somebody else's by now.
    if (isRunning(entry)) process.kill(entry.pid, signal);
    if (await hasEnded(entry)) return;
  }
  throw new ForgeError(`The process ${entry.pid} of the tunnel does not end.`, {
    code: 'TUNNEL_NOT_STOPPED',
    exit: EXIT.timedOut,
    hint: `kill -9 ${entry.pid}`,
  });
}

async function hasEnded(entry: TunnelEntry): Promise<boolean> {
  for (let waitedMs = 0; waitedMs < ENDS_WITHIN_MS; waitedMs += LOOK_EVERY_MS) {
    if (!isRunning(entry)) return true;
    await systemClock.sleep(LOOK_EVERY_MS);
  }
  return false;
}
