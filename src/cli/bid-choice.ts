import { EXIT, ForgeError } from '../errors.js';
import type { Offer } from '../vast/model.js';
import type { LaunchPlan } from '../workflows/launch/plan.js';
import type { ForgeContext } from './context.js';

/** A search for bids shows the least bid as the price; what the same offer costs on demand takes another look. */
export async function onDemandPrice(context: ForgeContext, offer: Offer, diskGb: number): Promise<number | null> {
  const vast = await context.vast();
  const query = { filters: { id: { eq: offer.id } }, order: [], limit: 1, allocatedStorageGb: diskGb };
  try {
    const [found] = await vast.offers.search({ ...query, type: 'on-demand' });
    return found?.dphTotal ?? null;
  } catch (error) {
    context.interruption.signal.throwIfAborted();
    if (!(error instanceof ForgeError) || error.exit !== EXIT.apiFailed) throw error;
    context.reporter.warn(`The price on demand is not known: ${error.message}`);
    return null;
  }
}

/** The limit was compared with the least bid; what is paid is the user's own. */
export function refuseDearBid({ price, bidPerHourUsd }: LaunchPlan, maxPriceUsd: number | null): void {
  if (bidPerHourUsd === null || maxPriceUsd === null || price.runningPerHourUsd <= maxPriceUsd) return;
  throw new ForgeError(
    `The bid with its disk is $${price.runningPerHourUsd.toFixed(3)}/h, more than the limit of $${maxPriceUsd}/h.`,
    { code: 'PRICE_LIMIT', exit: EXIT.moneyLimit, hint: 'Lower --bid, or raise --max-price.' },
  );
}
