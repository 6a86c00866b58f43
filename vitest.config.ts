import { execFileSync } from 'node:child_process';
import { dirname } from 'node:path';
import { defineConfig } from 'vitest/config';

// Where `python3` is the script of a version manager it takes a second to start; a machine has the interpreter itself.
const python = execFileSync('python3', ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' }).trim();
process.env['PATH'] = `${dirname(python)}:${process.env['PATH']}`;

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // These need namespaces: npm run test:lab.
    exclude: ['test/lab/**', '**/node_modules/**'],
    // Ten times what the longest takes: what is late on a busy computer is not wrong. Only what hangs meets these.
    testTimeout: 400_000,
    hookTimeout: 400_000,
    expect: { poll: { timeout: 60_000 } },
    globalSetup: ['test/support/sandbox-images.ts'],
    // A shared computer may stall for seconds, and then a story misses a deadline of the sandbox's fast time. CI tries once
    // more, and says at its end what needed it.
    retry: process.env['CI'] === 'true' ? 1 : 0,
    reporters: ['default', './test/support/run-report.ts'],
    pool: 'forks',
    // A file's modules are loaded once in a worker: half of the time of the short ones. No test changes a module's state.
    isolate: false,
    // Stories wait more than they compute: two to a core. With more, a slow computer misses the sandbox's fast deadlines.
    maxWorkers: 4,
    disableConsoleIntercept: true,
    // Only the fault cases say `concurrent`.
    maxConcurrency: 6,
    chaiConfig: { truncateThreshold: 0 },
  },
});
