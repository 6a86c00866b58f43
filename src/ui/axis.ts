/** Where a number stands between the ends of an axis, and the round numbers that are written along it. */
export interface Axis {
  /** 0 at the low end, 1 at the high one. */
  place(value: number): number;
  ticks: number[];
  /** Equal steps are equal factors: said in the title, or the picture lies. */
  isLogarithmic: boolean;
}

/** Above this ratio of largest to smallest, a few dear ones would press all others into a corner. */
const LOGARITHMIC_FROM = 10;

/** `most` is how many ticks there is room for. */
export function makeAxis(values: readonly number[], most: number): Axis {
  const low = Math.min(...values);
  const high = Math.max(...values);
  return low > 0 && high / low >= LOGARITHMIC_FROM ? logAxis(low, high, most) : linearAxis(low, high, most);
}

const TINY = 1e-9;

function linearAxis(low: number, high: number, most: number): Axis {
  const size = Math.max(Math.abs(low), Math.abs(high));
  // Equal values, and those that differ less than numbers can tell, stand in the middle.
  const isWide = size > TINY && high - low > size * TINY;
  const margin = isWide ? 0 : size > TINY ? size / 10 : 1;
  const step = niceStep((high - low + 2 * margin) / Math.max(1, most - 1));
  const from = Math.floor((low - margin) / step);
  const to = Math.max(from + 1, Math.ceil((high + margin) / step));
  const ticks = Array.from({ length: to - from + 1 }, (_, index) => clean((from + index) * step));
  return { place: (value) => (value / step - from) / (to - from), ticks, isLogarithmic: false };
}

/** 1, 2 or 5 times a power of ten, the next one that is large enough. */
function niceStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  const factor = [1, 2, 5, 10].find((candidate) => candidate * power >= least * 0.999) ?? 10;
  return factor * power;
}

function logAxis(low: number, high: number, most: number): Axis {
  const from = Math.log10(low) - 0.02;
  const to = Math.log10(high) + 0.02;
  const inside = (factors: readonly number[]): number[] => {
    const ticks: number[] = [];
    for (let power = Math.floor(from); power <= to; power += 1)
      for (const factor of factors) ticks.push(clean(factor * 10 ** power));
    return ticks.filter((tick) => Math.log10(tick) >= from && Math.log10(tick) <= to);
  };
  const choices = [inside([1, 2, 5]), inside([1, 3]), inside([1])];
  const ticks = choices.find((choice) => choice.length <= Math.max(2, most)) ?? inside([1]).slice(0, most);
  return { place: (value) => (Math.log10(value) - from) / (to - from), ticks, isLogarithmic: true };
}

/** 0.30000000000000004 -> 0.3 */
function clean(value: number): number {
  return Number(value.toPrecision(12));
}
