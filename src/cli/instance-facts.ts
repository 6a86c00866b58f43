import { ForgeError } from '../errors.js';
import type { PinnedKey } from '../ssh/host-keys.js';
import { formatPerHour } from '../ui/format.js';
import type { Instance } from '../vast/model.js';
import { isOutbid, stateWord } from '../workflows/instance-state.js';
import type { ForgeContext } from './context.js';

/** What this computer knows of an instance, beside what the API says. */
export interface LocalFacts {
  state: string;
  outbid: boolean;
  least_bid_per_hour_usd: number | null;
  host_key_fingerprint: string | null;
  host_key_state: 'verified' | 'first_seen' | null;
}

/** The state in one word; the owner's own stop is no outbidding. */
export function stateOf(instance: Instance, context: ForgeContext): string {
  return stateWord(instance, instance.isBid && context.ownStops.sinceMs(instance.id) !== null);
}

export function localFacts(instance: Instance, context: ForgeContext): LocalFacts {
  const state = stateOf(instance, context);
  const pin = pinOf(instance, context);
  return {
    state,
    outbid: state === 'outbid',
    least_bid_per_hour_usd: instance.isBid ? instance.minBid : null,
    host_key_fingerprint: pin instanceof ForgeError ? null : (pin?.fingerprint ?? null),
    host_key_state: pin === null || pin instanceof ForgeError ? null : pin.isProved ? 'verified' : 'first_seen',
  };
}

/** For `show`: how far the machine's address can be trusted. */
export function hostKeyLine(instance: Instance, context: ForgeContext): [string, string] {
  return ['Host key', hostKeyText(pinOf(instance, context))];
}

function hostKeyText(pin: PinnedKey | ForgeError | null): string {
  if (pin === null) return 'not pinned yet';
  if (pin instanceof ForgeError) return pin.message;
  if (pin.isProved) return `${pin.fingerprint}, verified through the API`;
  const when = pin.seenMs === null ? '' : ` ${new Date(pin.seenMs).toISOString().slice(0, 10)}`;
  return `${pin.fingerprint}, first seen${when}, not verified`;
}

/** A pin that cannot be read must not hide the rest of the machine. */
function pinOf(instance: Instance, context: ForgeContext): PinnedKey | ForgeError | null {
  try {
    return context.hostKeys.pinned(String(instance.id));
  } catch (error) {
    if (error instanceof ForgeError) return error;
    throw error;
  }
}

/** For stderr: what brings machines back that somebody has bid more for. */
export function outbidHints(instances: readonly Instance[], context: ForgeContext): string[] {
  return instances
    .filter((instance) => isOutbid(instance) && stateOf(instance, context) === 'outbid')
    .map(({ id, minBid, dphBase }) => {
      const least = minBid === null ? '' : `; the least bid is ${formatPerHour(minBid)} now`;
      const own = dphBase === null ? '' : ` above its ${formatPerHour(dphBase)}`;
      return `Instance ${id} was outbid and its disk is billed${least}. To bid${own}: forgectl bid ${id} USD`;
    });
}
