// biome-ignore-all lint/suspicious/noConsole: why something was skipped belongs into the output
/** LAB_CASES=most (CI, which has twenty minutes): the longest cases are left to `npm run test:lab`, which runs all. */
export const isEvery = process.env['LAB_CASES'] !== 'most';

if (!isEvery)
  console.log('not run with LAB_CASES=most: the longest cases of migrate and upgrade, which npm run test:lab runs');
