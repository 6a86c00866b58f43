import { EXIT, ForgeError } from '../errors.js';
import type { Vast } from '../vast/vast.js';
import type { OfferWishes } from './offer-wishes.js';
import type { RelaxReport, Typed } from './relax-offers.js';

/** There are offers, but none that a launch may take. */
export function noneUsable(matching: number, avoided: number): ForgeError {
  const who = matching === 1 ? 'The one offer that matches' : `Each of the ${matching} offers that match`;
  const why = avoided === 0 ? 'cannot run the image' : 'is on an avoided machine or cannot run the image';
  return new ForgeError(`${who} ${why}.`, {
    code: 'NO_OFFER',
    exit: EXIT.noCapacity,
    hint: avoided === 0 ? 'forgectl offers --relax' : 'forgectl hosts ls',
    details: { matching, avoided },
  });
}

/** Says which filter to give up. */
export async function noOffer(vast: Vast, wishes: OfferWishes, typed: Typed): Promise<ForgeError> {
  const { adviceForNothing } = await import('./relax-offers.js');
  const { nothingLines, relaxDocument } = await import('./relax-output.js');
  const report = await adviceForNothing(vast, wishes, typed);
  const [message = 'No offer matches.', ...lines] = nothingLines(report);
  const leastBidUsd = leastBid(report);
  return new ForgeError(message, {
    ...(leastBidUsd === null
      ? { code: 'NO_OFFER', exit: EXIT.noCapacity }
      : { code: 'BID_TOO_LOW', exit: EXIT.moneyLimit }),
    hint: lines.length === 0 ? 'forgectl offers --relax' : lines.map((line) => line.replace(/^ {2}/u, '')).join('\n'),
    details: {
      ...(report === null ? {} : relaxDocument(report)),
      ...(leastBidUsd === null ? {} : { min_bid_per_hour_usd: leastBidUsd }),
    },
  });
}

/** What the machine takes that nothing but the bid stands in the way of; null when something else does. */
function leastBid(report: RelaxReport | null): number | null {
  return report?.advice.find(({ filters }) => filters.every(({ id }) => id === 'bid'))?.leastBidUsd ?? null;
}
