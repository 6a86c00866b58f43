import type { Clock } from '../../clock.js';

export interface AlarmOptions {
  clock: Clock;
  /** Changes with the addresses of this computer. */
  networkFingerprint: () => string;
  tickMs: number;
}

/** A tick that comes this much too late was slept through. */
const SLEPT_MS = 4000;

/** Calls back when the connection below may be dead without knowing it: after a sleep of the computer, and in another network. */
export async function watchForAlarms(
  { clock, networkFingerprint, tickMs }: AlarmOptions,
  signal: AbortSignal,
  onAlarm: (reason: string) => void,
): Promise<void> {
  let lastMs = clock.now();
  let network = networkFingerprint();
  while (!signal.aborted) {
    await clock.sleep(tickMs, signal).catch(() => {});
    if (signal.aborted) return;
    const sleptMs = clock.now() - lastMs - tickMs;
    lastMs = clock.now();
    const now = networkFingerprint();
    if (sleptMs > SLEPT_MS) onAlarm(`this computer slept for ${Math.round(sleptMs / 1000)} s`);
    else if (now !== network) onAlarm('the network of this computer changed');
    network = now;
  }
}
