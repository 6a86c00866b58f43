import { appendFileSync } from 'node:fs';
import type { Reporter, TestCase, TestModule, TestSuite } from 'vitest/node';

/** Of one error; a diff of two trees can be long. */
const MAX_TEXT = 3_000;

type Errors = readonly { readonly message: string; readonly stack?: string }[];

/**
 * Keeps what failed and what passed only at the second try in the file that RUN_REPORT names: `.ci/run` shows it at its
 * end. A second try is for computers that stall for seconds, and must not hide: vitest says nothing of one that is short.
 */
export default class RunReport implements Reporter {
  onTestCaseResult(test: TestCase): void {
    const { state, errors } = test.result();
    const tries = test.diagnostic()?.retryCount ?? 0;
    if (state !== 'failed' && tries === 0) return;
    const word = state === 'failed' ? 'FAILED' : 'AT THE SECOND TRY';
    this.#write(`${word}  ${test.module.relativeModuleId} > ${test.fullName}`, errors ?? []);
  }

  /** What its hooks threw. */
  onTestSuiteResult(suite: TestSuite): void {
    if (suite.errors().length > 0)
      this.#write(`FAILED  ${suite.module.relativeModuleId} > ${suite.fullName}`, suite.errors());
  }

  onTestModuleEnd(module: TestModule): void {
    if (module.errors().length > 0) this.#write(`FAILED  ${module.relativeModuleId}`, module.errors());
  }

  #write(title: string, errors: Errors): void {
    const file = process.env['RUN_REPORT'];
    if (file === undefined || file === '') return;
    const said = errors.map((error) => (error.stack ?? error.message).slice(0, MAX_TEXT)).join('\n');
    const lines = said.split('\n').filter((line) => !line.includes('/node_modules/'));
    appendFileSync(file, [title, ...lines.map((line) => `    ${line}`), ''].join('\n'));
  }
}
