import { formatPerDay, formatPerHour } from '../ui/format.js';
import type { Instance } from '../vast/model.js';
import type { PowerAction } from '../workflows/power.js';
import { billedNowPerHourUsd, priceOfInstance } from '../workflows/price.js';

/** What an action does to the bill, in words and as data. Unknown prices are said to be unknown. */
export function priceChange(instance: Instance, action: PowerAction): PriceChange {
  return changeOfPrice({ nowPerHourUsd: billedNowPerHourUsd(instance), ...priceOfInstance(instance) }, action);
}

interface PriceChange {
  line: string;
  document: {
    price_per_hour_before_usd: number | null;
    price_per_hour_after_usd: number | null;
    stopped_price_per_day_usd: number | null;
  };
}

interface Prices {
  nowPerHourUsd: number | null;
  runningPerHourUsd: number | null;
  stoppedPerDayUsd: number | null;
}

/** As `priceChange`, of prices that were read before. */
export function changeOfPrice(prices: Prices, action: PowerAction): PriceChange {
  const { nowPerHourUsd: before, runningPerHourUsd, stoppedPerDayUsd } = prices;
  const after = action === 'destroy' ? 0 : action === 'stop' ? perHour(stoppedPerDayUsd) : runningPerHourUsd;
  const words = `${hourly(before)} → ${action === 'destroy' ? 'nothing' : action === 'stop' ? `${daily(stoppedPerDayUsd)} for its disk until destroyed` : hourly(after)}`;
  return {
    line: words,
    document: {
      price_per_hour_before_usd: before,
      price_per_hour_after_usd: after,
      stopped_price_per_day_usd: stoppedPerDayUsd,
    },
  };
}

function perHour(perDayUsd: number | null): number | null {
  return perDayUsd === null ? null : perDayUsd / 24;
}

function hourly(usd: number | null): string {
  return usd === null ? 'unknown price' : formatPerHour(usd);
}

function daily(usd: number | null): string {
  return usd === null ? 'unknown price' : formatPerDay(usd);
}
