import { formatPerHour } from '../ui/format.js';
import { flagWords } from './filter-lines.js';
import type { RelaxReport } from './relax-offers.js';

const REMEDY = 'Widen --region, --max-price, --reliability or --gpu.';

/** For an empty list: which filter to give up, what that brings, and what to type. */
export function nothingLines(report: RelaxReport | null): string[] {
  if (report === null) return [`No offer matches. ${REMEDY}`];
  return [`No offer matches.${howMany(report)}`, ...unusableLines(report), ...adviceLines(report)];
}

/** `offers --relax`: the same as an answer, also when something matches. */
export function relaxLines(report: RelaxReport): string[] {
  const { matching } = report;
  if (matching === 0) return nothingLines(report);
  return [`${count(matching, report)} match.`, ...unusableLines(report), ...adviceLines(report)];
}

function howMany({ advice }: RelaxReport): string {
  const [first] = advice;
  if (first === undefined) return ' No filter that can be given up hides one.';
  const needed = first.filters.length;
  if (needed === 1) return ' Without one of these filters there would be some:';
  return ` Giving up ${needed === 2 ? 'one filter' : `${needed - 1} filters`} is not enough; without ${needed} of them there would be some:`;
}

function unusableLines(report: RelaxReport): string[] {
  const { unusable } = report;
  return unusable === 0 ? [] : [`  (${count(unusable, report)} would match, but the image cannot run there.)`];
}

function adviceLines(report: RelaxReport): string[] {
  return report.advice.flatMap(({ filters, offers, offersWithCommand, command, cheapest, isLeast }) => {
    const isCut = report.isCut || isLeast;
    const words = filters.map((filter) => `"${filter.words}"`).join(' and ');
    const more = report.matching === 0 ? '' : 'more ';
    const fewer = offersWithCommand < offers ? `   # ${count(offersWithCommand, { isCut }, more)}` : '';
    return [
      `  without ${words}: ${count(offers, { isCut }, more)}, from ${formatPerHour(cheapest.dphTotal)}`,
      `    ${command}${fewer}`,
    ];
  });
}

function count(offers: number, { isCut }: Pick<RelaxReport, 'isCut'>, more = ''): string {
  return `${isCut ? 'at least ' : ''}${offers} ${more}${offers === 1 ? 'offer' : 'offers'}`;
}

/** For `--relax --json`, and as details of the error when nothing can be rented. */
export function relaxDocument(report: RelaxReport): Record<string, unknown> {
  return {
    matching: report.matching,
    counts_are_least: report.isCut,
    cannot_run_image: report.unusable,
    filters: report.filters.map(({ id, words, isDefault, off }) => ({
      name: id,
      text: words,
      is_default: isDefault,
      switch_off: off === null ? null : flagWords(off),
    })),
    relax: report.advice.map(({ filters, offers, offersWithCommand, command, cheapest, isLeast }) => ({
      filters: filters.map(({ id }) => id),
      offers,
      counts_are_least: report.isCut || isLeast,
      cheapest_per_hour_usd: cheapest.dphTotal,
      cheapest_offer_id: cheapest.id,
      command,
      offers_with_command: offersWithCommand,
    })),
  };
}
