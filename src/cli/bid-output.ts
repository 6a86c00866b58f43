import { formatPerDay, formatPerHour } from '../ui/format.js';
import type { Instance } from '../vast/model.js';
import type { BidPlan } from '../workflows/bid.js';
import type { LaunchPlan } from '../workflows/launch/plan.js';
import { nameOf } from './select-instances.js';

/** Before and after, in the words of the person who pays. */
export function bidLines(instance: Instance, plan: BidPlan): string[] {
  const { onDemandPerHourUsd: onDemand, leastBidUsd: least, stoppedPerDayUsd } = plan;
  return [
    `${nameOf(instance)}${plan.outbid ? ', outbid' : ''}`,
    `  Bid        ${hourly(plan.bidBeforeUsd)} → ${hourly(plan.bidUsd)}`,
    `  Price      ${hourly(plan.runningBeforePerHourUsd)} → ${hourly(plan.runningAfterPerHourUsd)} while running, with its disk; ${stoppedPerDayUsd === null ? 'unknown' : formatPerDay(stoppedPerDayUsd)} while stopped`,
    `  On demand  ${onDemand === null ? 'unknown: the same machine is not offered now' : `${formatPerHour(onDemand)}, the same machine${difference(plan)}`}`,
    `  Least bid  ${least === null ? 'unknown' : `${formatPerHour(least)} now`}`,
  ];
}

function difference({ onDemandPerHourUsd, runningAfterPerHourUsd }: BidPlan): string {
  if (onDemandPerHourUsd === null || runningAfterPerHourUsd === null) return '';
  return `; the bid is ${comparison(runningAfterPerHourUsd, onDemandPerHourUsd)}`;
}

/** For the plan of a launch: what the bid saves, and what it risks. */
export function onDemandLines(plan: LaunchPlan): string[] {
  const { bidPerHourUsd, onDemandPerHourUsd: onDemand, offer, price } = plan;
  if (bidPerHourUsd === null) return [];
  const least = offer.minBid === null ? '' : `; the least bid is ${formatPerHour(offer.minBid)}`;
  if (onDemand === null || onDemand === undefined)
    return [`On demand unknown: the offer is not there on demand now${least}`];
  const risk =
    price.runningPerHourUsd < onDemand
      ? 'and a higher one takes the machine away'
      : 'and it can be outbid all the same';
  return [
    `On demand ${formatPerHour(onDemand)}: the bid is ${comparison(price.runningPerHourUsd, onDemand)}, ${risk}${least}`,
  ];
}

/** "62 % less", "9 % more". */
function comparison(usd: number, otherUsd: number): string {
  const percent = Math.round((1 - usd / otherUsd) * 100);
  return percent === 0 ? 'the same' : `${Math.abs(percent)} % ${percent > 0 ? 'less' : 'more'}`;
}

export function bidDocument(instance: Instance, plan: BidPlan): Record<string, unknown> {
  return {
    id: instance.id,
    label: instance.label,
    outbid: plan.outbid,
    bid_per_hour_before_usd: plan.bidBeforeUsd,
    bid_per_hour_usd: plan.bidUsd,
    price_per_hour_before_usd: plan.runningBeforePerHourUsd,
    price_per_hour_after_usd: plan.runningAfterPerHourUsd,
    billed_now_per_hour_usd: plan.billedNowPerHourUsd,
    stopped_price_per_day_usd: plan.stoppedPerDayUsd,
    on_demand_per_hour_usd: plan.onDemandPerHourUsd,
    least_bid_per_hour_usd: plan.leastBidUsd,
    warnings: plan.warnings,
  };
}

function hourly(usd: number | null): string {
  return usd === null ? 'unknown' : formatPerHour(usd);
}
