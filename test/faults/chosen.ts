/**
 * FAULT_CASES: not set, a sample of the short ones (`npm test`); "most", all of the short ones and a share of the long
 * ones (CI, which has twenty minutes); "all" (`npm run test:faults`).
 */
const WISH = process.env['FAULT_CASES'];

export const isAll = WISH === 'all';
export const isMost = isAll || WISH === 'most';

/** Of cases that take half a minute each. */
export function shareOf<Case>(cases: readonly Case[], step: number): Case[] {
  return isAll ? [...cases] : cases.filter((_, at) => at % step === 1);
}
