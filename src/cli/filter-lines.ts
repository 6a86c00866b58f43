import type { OfferFilter } from './offer-filters.js';
import type { OfferWishes } from './offer-wishes.js';
import type { FlagChange } from './typed-command.js';

/** Printed before every answer, so that nobody wonders why a machine is missing; `found` ends what was asked for. */
export function filterLines(filters: readonly OfferFilter[], wishes: OfferWishes, found = ''): string[] {
  const asked = filters.filter(({ isDefault }) => !isDefault).map(({ words }) => words);
  const defaults = filters.flatMap(({ isDefault, words, off }) =>
    isDefault && off !== null ? [`${words} (off: ${flagWords(off)})`] : [],
  );
  const all = [...asked, ...(wishes.interruptible ? ['interruptible'] : [])];
  return [...listLines('Filters:  ', all, found), ...listLines('Defaults: ', defaults, '')];
}

export function flagWords({ flag, value }: FlagChange): string {
  return value === null ? `--${flag}` : `--${flag} ${value}`;
}

const LINE_WIDTH = 79;

/** Broken between the items; nothing at all when there are none. */
function listLines(title: string, items: readonly string[], end: string): string[] {
  const lines: string[] = [];
  for (const [index, item] of items.entries()) {
    const text = `${item}${index === items.length - 1 ? end : ','}`;
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + text.length <= LINE_WIDTH) lines[lines.length - 1] = `${last} ${text}`;
    else lines.push(`${last === undefined ? title : ' '.repeat(title.length)}${text}`);
  }
  return lines;
}
