import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createProgressTeller } from '../../src/cli/copy-progress.ts';
import type { Reporter } from '../../src/ui/reporter.ts';
import type { Progress } from '../../src/workflows/copy/meter.ts';

const AT: Progress = {
  phase: 'copying',
  files: 65,
  totalFiles: 66,
  bytes: 9_000_000,
  totalBytes: 60_000_000,
  bytesPerS: 3_000_000,
  remainingS: 17,
};

let said: string[] = [];
let events: unknown[] = [];
const reporter = {
  stage: () => ({ detail: (text: string) => said.push(text), done: () => {}, failed: () => {} }),
  event: (_name: string, data: unknown) => events.push(data),
} as unknown as Reporter;

beforeEach(() => {
  said = [];
  events = [];
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

it('says for how long nothing has come, and no rate of before', () => {
  const teller = createProgressTeller(reporter, { events: false, title: 'Copying' });
  teller.progress(AT);
  expect(said).toEqual(['15%  9.0 MB  3.0 MB/s  17s left  65/66 files']);
  vi.advanceTimersByTime(5000);
  expect(said.at(-1)).toBe('15%  9.0 MB  nothing for 5s  65/66 files');
  teller.progress({ ...AT, bytes: 9_600_000 });
  expect(said.at(-1)).toBe('16%  9.6 MB  3.0 MB/s  17s left  65/66 files');
  teller.done();
  const before = said.length;
  vi.advanceTimersByTime(60_000);
  expect(said.length).toBe(before);
});

it('a look that brings nothing new is no progress; reading both sides is not still', () => {
  const teller = createProgressTeller(reporter, { events: true, title: 'Copying' });
  teller.progress(AT);
  vi.advanceTimersByTime(2500);
  teller.progress(AT);
  vi.advanceTimersByTime(1000);
  expect(events.at(-1)).toMatchObject({ bytes: 9_000_000, bytes_per_s: 0, remaining_s: null });
  teller.progress({ ...AT, phase: 'comparing', bytes: 1 });
  const before = events.length;
  vi.advanceTimersByTime(60_000);
  expect(events.length).toBe(before);
});
