import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ForgeError } from '../../src/errors.ts';
import { parseCheckout } from '../../src/instance/checkout.ts';
import { changeScript, parseChange } from '../../src/instance/checkout-change.ts';
import { parseJobLook } from '../../src/instance/detached-job.ts';
import { moveExtensionsScript, parseExtensions } from '../../src/instance/extensions.ts';
import { parseFreeze, planRestore } from '../../src/instance/freeze.ts';
import { resolveRef } from '../../src/instance/git-ref.ts';
import { parseLeaseState } from '../../src/instance/lease.ts';
import { FrameParser } from '../../src/instance/log-reader/frames.ts';
import { LogStream } from '../../src/instance/log-reader/log-stream.ts';
import { parseLockAnswer } from '../../src/instance/machine-lock.ts';
import { parseCheckouts } from '../../src/instance/migration/checkouts.ts';
import { parseMachineLook } from '../../src/instance/migration/machine-look.ts';
import { parseProbe } from '../../src/instance/probe.ts';
import { markEndedScript } from '../../src/instance/provisioning-run.ts';
import { parseProvisioningState } from '../../src/instance/provisioning-state.ts';
import { parseServiceLook } from '../../src/instance/services/service-look.ts';
import { parseCheckoutState } from '../../src/instance/snapshot-facts.ts';
import { parseStatus } from '../../src/instance/supervisor.ts';
import { parseHistory } from '../../src/instance/upgrade-history.ts';
import { parseBackups, parseWrittenBackup, readBackupScript } from '../../src/instance/venv-backups.ts';
import { installWork } from '../../src/instance/venv-guard.ts';
import { nextRunMs } from '../../src/vast/job-calendar.ts';
import { readInstance } from '../../src/vast/schema/instance.ts';
import { readScheduledJobs } from '../../src/vast/schema/scheduled-job.ts';
import { ESCAPES } from './support/hostile-api.ts';

const SHA = 'a'.repeat(40);
/** What a machine may say in the place of a word, a number, a commit, a date. */
const word = fc.oneof(
  fc.constantFrom(SHA, 'b'.repeat(64), 'main', '0', '7', '1700000000', '2026-01-31T12:00:00+01:00', 'running', 'back'),
  fc.constantFrom(
    'NaN',
    'Infinity',
    '-1',
    '9'.repeat(15),
    '9'.repeat(26),
    '1e308',
    '0x7f',
    '',
    '..',
    '../../x',
    '-rf',
    'null',
  ),
  fc.constantFrom(ESCAPES, '\u001b]0;', '\u202egnp.exe', '2026 (\u001b[2J)', 'x'.repeat(5000), 'a\nb', '\ud800'),
  fc.string({ unit: 'binary' }),
);
const line = fc.array(word, { minLength: 1, maxLength: 7 }).map((words) => words.join(' '));
const json = fc.oneof(
  fc.json(),
  word.map((text) =>
    JSON.stringify({ progress: text, state: { job_count: text, job: text }, toString: 1, paths: text }),
  ),
);
const text = fc.oneof(
  word,
  line,
  json,
  fc.array(line).map((lines) => lines.join('\n')),
  fc.constant(`${SHA} main`),
);

/** An answer with these facts, some of them not there. */
function factsOf(keys: readonly string[]): fc.Arbitrary<string> {
  return fc
    .tuple(...keys.map((key) => fc.option(text, { freq: 8 }).map((value) => [key, value] as const)))
    .map((facts) =>
      facts
        .flatMap(([key, value]) => (value === null ? [] : `${key}=${Buffer.from(value).toString('base64')}`))
        .join('\n'),
    );
}

/** Numbers are finite, times are dates, commits are commits: all the way down. */
function expectTyped(value: unknown, key = ''): void {
  if (typeof value === 'number') {
    expect(Number.isSafeInteger(Math.trunc(value)), `${key} is ${value}`).toBe(true);
    if (/(?:Ms|At)$/u.test(key)) expect(() => new Date(value).toISOString(), `${key} is ${value}`).not.toThrow();
  } else if (typeof value === 'string') {
    if (/^(?:sha|head|to|pull)$/u.test(key) && value !== '') expect(value).toMatch(/^[0-9a-f]{40}/u);
    if (/^(?:at|date)$/u.test(key) && value !== '') expect(() => new Date(value).toISOString()).not.toThrow();
  } else if (value instanceof Map) for (const each of value.values()) expectTyped(each, key);
  else if (typeof value === 'object' && value !== null && !Buffer.isBuffer(value))
    for (const [name, each] of Object.entries(value)) expectTyped(each, name);
}

/** Reads, or refuses in words of ours. */
function expectRead(read: () => unknown): void {
  try {
    expectTyped(read());
  } catch (error) {
    if (!(error instanceof ForgeError)) throw error;
    // The message repeats nothing of what steers a terminal.
    if (error.code === 'REMOTE_ANSWER_UNREADABLE') expect(error.message).toMatch(/^[ -~]+$/u);
  }
}

const EXTENSION = ['name', 'head', 'branch', 'to', 'count', 'own', 'subjects', 'edited', 'pending', 'remote_url'];
const extension = EXTENSION.map((key) => `extension.1.${key}`);
const CHECKOUT = [
  'head',
  'subject',
  'date',
  'branch',
  'remote_url',
  'heads',
  'tags',
  'missing',
  'default_branch',
  'sha',
  'pull',
];
const run = 'upgrade-0a1b2c3d';

const PARSERS: [string, fc.Arbitrary<string>, (answer: string) => unknown][] = [
  [
    'probe',
    factsOf([
      'user',
      'supervisor_exit',
      'supervisor',
      'forge',
      'git_head',
      'portal_yaml',
      'portal_openapi',
      'disk',
      'workspace_used',
      'forge_http',
    ]),
    parseProbe,
  ],
  [
    'checkout, and what is resolved in it',
    factsOf(CHECKOUT),
    (answer) => {
      const found = parseCheckout(answer);
      return found === null
        ? null
        : [found, resolveRef(null, found.refs), changeScript(resolveRef(null, found.refs).sha, true)];
    },
  ],
  [
    'change',
    factsOf(['subject', 'date', 'commits', 'commit_count', 'lost_count', 'free', 'progress', ...extension]),
    parseChange,
  ],
  [
    'extensions, and their moves',
    factsOf(extension),
    (answer) => {
      const found = parseExtensions(answer);
      const moves = found.flatMap((one) => (one.to === null ? [] : [{ ...one, to: one.to }]));
      return [found, moveExtensionsScript(moves, { run, way: 'on' })];
    },
  ],
  [
    'checkout of a snapshot',
    factsOf(['head', 'edits_sha256', 'edits', 'edited', 'branch', ...extension]),
    parseCheckoutState,
  ],
  [
    'checkouts of a migration',
    factsOf(['repository.1.name', 'repository.1.head', 'repository.1.edits']),
    parseCheckouts,
  ],
  [
    'machine of a migration',
    factsOf(['supervisor_exit', 'supervisor', 'progress', 'boot', 'python', 'mounts']),
    parseMachineLook,
  ],
  [
    'provisioning, and the end of its run',
    factsOf([
      'now',
      'log_changed',
      'log',
      'script',
      'supervisor',
      'run.id',
      'run.exit',
      'run.started',
      'run.ended',
      'marker.provisioning_complete',
    ]),
    (answer) => {
      const found = parseProvisioningState(answer);
      return [found, found.lastRun === null ? null : markEndedScript(found.lastRun.id)];
    },
  ],
  [
    'services',
    factsOf(['exit', 'status.0', 'status.1', 'http.forge', 'progress', 'processes', 'lock', 'skipped']),
    parseServiceLook,
  ],
  ['written backup', factsOf(['contract', 'file', 'path', 'packages', 'kept', 'removed']), parseWrittenBackup],
  [
    'backups, and one of them',
    fc
      .array(
        fc
          .tuple(word, word, word, word)
          .map(
            ([contract, bytes, changed, count]) =>
              `${contract} venv-main-2026-01-31-1200.txt ${bytes} ${changed} ${count} latest`,
          ),
      )
      .map((lines) => lines.join('\n')),
    (answer) => [parseBackups(answer), parseBackups(answer).map(readBackupScript)],
  ],
  [
    'freeze, and what is removed to have it again',
    fc
      .array(
        fc.oneof(
          line,
          word.map((name) => `${name}==1.0`),
        ),
      )
      .map((lines) => lines.join('\n')),
    (answer) => {
      const { install, extra } = planRestore([], parseFreeze(answer));
      return installWork(
        run,
        install.map((one) => one.line),
        { installer: 'pip', remove: extra.map(({ name }) => name) },
      );
    },
  ],
  [
    'job',
    fc
      .tuple(word, word, word)
      .map(([state, exit, size]) => `state=${state}\nstate=done\nexit=${exit}\nsize=${size}\nlog=eA==`),
    parseJobLook,
  ],
  ['lease', fc.tuple(word, line).map(([state, rest]) => `${state} ${rest}`), parseLeaseState],
  [
    'supervisor',
    fc
      .tuple(word, word)
      .map(
        ([pid, days]) =>
          `forge RUNNING pid ${pid}, uptime ${days} days, 1:02:03\nx RUNNING pid ${'9'.repeat(400)}, uptime ${'9'.repeat(400)}:00:01`,
      ),
    parseStatus,
  ],
  ['lock', json.map((holder) => `held\n${Buffer.from(holder).toString('base64')}`), parseLockAnswer],
  [
    'history',
    fc
      .record({
        run: word,
        at: word,
        from: fc.record({ sha: word, subject: word }),
        to: fc.record({ sha: word, subject: fc.anything(), name: word }),
        remoteBefore: fc.anything(),
        remoteUrl: word,
        result: fc.constant('done'),
        reason: fc.anything(),
        downtimeS: fc.oneof(fc.double(), word),
      })
      .map((entry) => `${run} ${Buffer.from(JSON.stringify(entry)).toString('base64')}`),
    (answer) => parseHistory(answer).map(({ at, from, to, reason }) => [at, from, to, (reason ?? '').trim()]),
  ],
];

describe('what a machine says of itself', () => {
  it.each(PARSERS)('%s: read as what it is, or refused in words', (_name, answers, parse) => {
    fc.assert(
      fc.property(answers, (answer) => expectRead(() => parse(answer))),
      { numRuns: 300 },
    );
  });

  it('frames of the log reader: every field of its kind, whatever JSON holds', () => {
    const value = fc.oneof(word, fc.integer(), fc.double(), fc.constantFrom(null, true, [], {}, 2 ** 53, 1e308, -1));
    const log = fc.record({ name: value, path: value, bytes: value, changed: value, portal: value });
    const frame = fc.record(
      {
        t: fc.constantFrom('catalog', 'piece', 'data', 'end', 'gap', 'caught_up', 'tick', 'done', 'x'),
        ...{
          name: value,
          key: value,
          id: value,
          offset: value,
          role: fc.constantFrom('current', 'older', 'x'),
          why: value,
        },
        ...{
          gap: value,
          old: value,
          at: value,
          utc_offset_s: value,
          logs: fc.oneof(value, fc.array(fc.oneof(log, value))),
        },
      },
      { requiredKeys: ['t'] },
    );
    const seen: unknown[] = [];
    const note = (...words: unknown[]): void => {
      seen.push(...words);
    };
    fc.assert(
      fc.property(fc.array(frame), (frames) => {
        const stream = new LogStream(
          { names: null, follow: false, tail: null, since: null },
          { line: note, partial: note, gap: note, caughtUp: note, done: note },
        );
        const bytes = frames.map((each) => `${JSON.stringify({ ...each, n: 1 })}\nx`).join('');
        expectRead(() => {
          for (const each of new FrameParser('m').push(Buffer.from(`\nm:ready\n${bytes}`))) {
            if (each.t === 'catalog') for (const { changed } of each.logs) new Date(changed * 1000).toISOString();
            stream.apply(each);
          }
        });
      }),
      { numRuns: 500 },
    );
    expect(seen.filter((each) => typeof each !== 'string')).toEqual([]);
  });
});

describe('what the API says', () => {
  const value = fc.oneof(word, fc.integer(), fc.double(), fc.constantFrom(null, 1e308, -1, 65_535, 65_536, 1e15));
  /** An Error of the reader becomes API_NONSENSE where the call is. */
  const readOrNull = <T>(read: () => T): T | null => {
    try {
      return read();
    } catch {
      return null;
    }
  };

  it('rows of instances: ids, ports and times that can be used', () => {
    const row = fc.record({ id: fc.oneof(fc.constant(7), value), ssh_port: value, start_date: value, end_date: value });
    fc.assert(
      fc.property(row, value, (fields, port) => {
        const sent = JSON.stringify({ instances: { ...fields, ports: { '22/tcp': [{ HostPort: port }] } } });
        const found = readOrNull(() => readInstance(JSON.parse(sent)));
        if (found === null) return;
        expect(Number.isSafeInteger(found.id) && found.id >= 0).toBe(true);
        for (const used of [found.sshPort, ...(found.ports ?? []).map(({ hostPort }) => hostPort)])
          expect(used === null || (Number.isInteger(used) && used > 0 && used < 65_536), String(used)).toBe(true);
        for (const ms of [found.startDateMs, found.endDateMs])
          expect(() => new Date(ms ?? 0).toISOString()).not.toThrow();
      }),
    );
  });

  it('scheduled jobs: a next time that is one', () => {
    const job = fc.record({
      ...{
        id: fc.constant(1),
        instance_id: fc.constant(7),
        start_time: value,
        end_time: value,
        hour_of_the_day: value,
      },
      ...{
        frequency: fc.constantFrom('HOURLY', 'DAILY', 'WEEKLY', 'x'),
        day_of_the_week: value,
        min_of_the_hour: value,
      },
    });
    fc.assert(
      fc.property(job, (sent) => {
        const [found] = readOrNull(() => readScheduledJobs(JSON.parse(JSON.stringify([sent])))) ?? [];
        const at = found === undefined ? null : nextRunMs(found, 1_800_000_000_000);
        if (at !== null) expect(() => new Date(at).toISOString()).not.toThrow();
      }),
    );
  });
});
