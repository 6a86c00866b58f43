import { defineConfig } from 'vitest/config';

/** Run through enter.js: `npm run test:lab [-- FILE]`. */
export default defineConfig({
  test: {
    include: ['test/lab/**/*.test.ts'],
    globalSetup: ['test/lab/global-setup.ts'],
    // Many times what they take: two cores may have more to do.
    testTimeout: 400_000,
    hookTimeout: 400_000,
    expect: { poll: { timeout: 60_000 } },
    retry: process.env['CI'] === 'true' ? 1 : 0,
    reporters: ['default', './test/support/run-report.ts'],
    pool: 'forks',
    maxWorkers: 2,
    disableConsoleIntercept: true,
    chaiConfig: { truncateThreshold: 0 },
  },
});
