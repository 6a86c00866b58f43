import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../clock.js';
import { flushDirectory, writePrivateFile } from '../config/paths.js';
import { EXIT, ForgeError } from '../errors.js';
import { quoted, withoutSentIn } from '../secrets/sent.js';
import { FileLock, holderOf, type LockHolder } from './file-lock.js';

/** A newer forgectl reads older journals; an older one lists newer journals and leaves them alone. */
const JOURNAL_VERSION = 1;

export type StepState = 'started' | 'done' | 'failed' | 'undoing' | 'undone';

interface StepRecord {
  id: string;
  state: StepState;
  /** ISO time of the last change. */
  at: string;
  /** Why it failed. */
  error?: string;
}

/** open: at work, or cut off. The others are ends; `failed` means that it left nothing unsaid. */
export type RunState = 'open' | 'done' | 'failed' | 'undone';

/** One run as it lies on disk. Plain data without any secret; unknown fields are kept. */
export interface RunRecord {
  version: number;
  id: string;
  /** Which workflow: "launch". */
  kind: string;
  context: string;
  title: string;
  startedAt: string;
  updatedAt: string;
  state: RunState;
  plan: unknown;
  /** What the steps have found out and made: contract ids, choices. */
  facts: Record<string, unknown>;
  steps: StepRecord[];
  /** How it ended, in words. */
  outcome: string | null;
}

/** The journal of one context: a file a run. Open runs have another ending, so that looking for them reads nothing else. */
export class Journal {
  readonly directory: string;
  private readonly context: string;
  private readonly clock: Clock;

  constructor(options: { stateDir: string; context: string; clock: Clock }) {
    this.directory = join(options.stateDir, 'runs', options.context);
    this.context = options.context;
    this.clock = options.clock;
  }

  /** Written and locked before the workflow's first effect. */
  async begin(start: { kind: string; title: string; plan: unknown; facts?: Record<string, unknown> }): Promise<Run> {
    this.forgetOld();
    const now = new Date(this.clock.now()).toISOString();
    const id = `${start.kind}-${randomBytes(4).toString('hex')}`;
    const run = new Run(this, this.lock(id, start.title), this.clock, {
      version: JOURNAL_VERSION,
      id,
      kind: start.kind,
      context: this.context,
      title: start.title,
      startedAt: now,
      updatedAt: now,
      state: 'open',
      plan: start.plan,
      facts: start.facts ?? {},
      steps: [],
      outcome: null,
    });
    await run.save();
    return run;
  }

  /** Opens an unfinished run to go on with it. Throws when another process is at it, or when it has ended. */
  reopen(id: string): Run {
    const record = this.find(id);
    if (record.version > JOURNAL_VERSION) throw tooNew(record);
    const lock = this.lock(record.id, record.title);
    // It may have been finished between the look and the lock.
    const fresh = this.read(`${record.id}${OPEN}`);
    if (fresh === null || fresh.state !== 'open') {
      lock.release();
      throw hasEnded(this.find(record.id));
    }
    return new Run(this, lock, this.clock, fresh);
  }

  /** Newest first. */
  list(): RunRecord[] {
    return this.names()
      .flatMap((name) => this.read(name) ?? [])
      .sort(newestFirst);
  }

  /** Runs that no process works on and that never came to an end, newest first. */
  cutOff(): RunRecord[] {
    return this.names()
      .filter((name) => name.endsWith(OPEN))
      .flatMap((name) => this.read(name) ?? [])
      .filter((run) => run.state === 'open' && this.holder(run.id) === null)
      .sort(newestFirst);
  }

  holder(id: string): LockHolder | null {
    return holderOf(this.lockFile(id));
  }

  /** By id or a unique start of one. Throws when there is none, or several. */
  find(name: string): RunRecord {
    const matches = this.list().filter((run) => run.id === name || run.id.startsWith(name));
    const exact = matches.find((run) => run.id === name);
    const [only, ...others] = exact === undefined ? matches : [exact];
    if (only !== undefined && others.length === 0) return only;
    throw new ForgeError(only === undefined ? `There is no run "${name}".` : `"${name}" could be several runs.`, {
      code: only === undefined ? 'RUN_NOT_FOUND' : 'AMBIGUOUS_RUN',
      exit: EXIT.notFound,
      hint: 'forgectl runs ls',
    });
  }

  remove(id: string): void {
    for (const ending of [OPEN, CLOSED]) rmSync(join(this.directory, `${id}${ending}`), { force: true });
    rmSync(this.lockFile(id), { force: true });
  }

  /** Whole and flushed, name included, before it returns. */
  async store(record: RunRecord): Promise<void> {
    const open = join(this.directory, `${record.id}${OPEN}`);
    await writePrivateFile(open, `${JSON.stringify(withoutSentIn(record), null, 2)}\n`);
    if (record.state !== 'open') renameSync(open, join(this.directory, `${record.id}${CLOSED}`));
    flushDirectory(this.directory);
  }

  private lock(id: string, title: string): FileLock {
    const taken = FileLock.tryTake(this.lockFile(id), title);
    if (taken instanceof FileLock) return taken;
    throw new ForgeError(`${title} is being worked on by process ${taken.pid} since ${taken.since}.`, {
      code: 'RUN_LOCKED',
      exit: EXIT.conflict,
      hint: `Wait for it, or end it: kill ${taken.pid}`,
      details: { run: id, pid: taken.pid },
    });
  }

  private lockFile(id: string): string {
    return join(this.directory, `${id}.lock`);
  }

  private names(): string[] {
    try {
      return readdirSync(this.directory).filter((name) => name.endsWith('.json'));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
  }

  private read(name: string): RunRecord | null {
    let text: string;
    try {
      text = readFileSync(join(this.directory, name), 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw error;
    }
    const record = parseRecord(text);
    // By its id the files of a run are found, and removed: no other word may stand there.
    if (record !== null && [OPEN, CLOSED].some((ending) => `${record.id}${ending}` === name)) return record;
    throw new ForgeError(`The journal ${join(this.directory, name)} cannot be read.`, {
      code: 'JOURNAL_UNREADABLE',
      exit: EXIT.conflict,
      hint: 'Look at it: it may name a machine that is billed. forgectl audit lists what is. Then remove the file.',
    });
  }

  /** Ends that nobody asks for any more. */
  private forgetOld(): void {
    const before = new Date(this.clock.now() - KEEP_MS).toISOString();
    const ended = this.list().filter((run) => run.state !== 'open');
    for (const run of ended) if (run.updatedAt < before) this.remove(run.id);
    for (const run of ended.slice(KEEP_RUNS)) this.remove(run.id);
  }
}

function newestFirst(one: RunRecord, other: RunRecord): number {
  return other.startedAt.localeCompare(one.startedAt);
}

const OPEN = '.open.json';
const CLOSED = '.json';
const KEEP_MS = 60 * 24 * 3_600_000;
const KEEP_RUNS = 200;

/** One run that this process holds. Every change is on disk before the next effect. */
export class Run {
  readonly record: RunRecord;
  private readonly journal: Journal;
  private readonly lock: FileLock;
  private readonly clock: Clock;

  constructor(journal: Journal, lock: FileLock, clock: Clock, record: RunRecord) {
    this.journal = journal;
    this.lock = lock;
    this.clock = clock;
    this.record = record;
  }

  get id(): string {
    return this.record.id;
  }

  stateOf(stepId: string): StepState | null {
    return this.record.steps.find(({ id }) => id === stepId)?.state ?? null;
  }

  async setStep(id: string, state: StepState, error?: string): Promise<void> {
    const step: StepRecord = { id, state, at: this.now(), ...(error === undefined ? {} : { error: quoted(error) }) };
    const at = this.record.steps.findIndex((known) => known.id === id);
    if (at === -1) this.record.steps.push(step);
    else this.record.steps[at] = step;
    await this.save();
  }

  async setFacts(facts: Record<string, unknown>): Promise<void> {
    Object.assign(this.record.facts, facts);
    await this.save();
  }

  /** The end: written, then unlocked. */
  async end(state: Exclude<RunState, 'open'>, outcome: string): Promise<void> {
    this.record.state = state;
    this.record.outcome = quoted(outcome);
    await this.save();
    this.lock.release();
  }

  /** Leaves it unfinished for `resume` and `undo`. */
  async leave(outcome: string): Promise<void> {
    this.record.outcome = quoted(outcome);
    await this.save();
    this.lock.release();
  }

  async save(): Promise<void> {
    this.record.updatedAt = this.now();
    await this.journal.store(this.record);
  }

  private now(): string {
    return new Date(this.clock.now()).toISOString();
  }
}

function parseRecord(text: string): RunRecord | null {
  try {
    const record = JSON.parse(text) as RunRecord;
    return isRecord(record) ? record : null;
  } catch {
    return null;
  }
}

const STATES: readonly unknown[] = ['open', 'done', 'failed', 'undone'] satisfies RunState[];

/** The file may have been cut, or edited by somebody. Plan and facts are each workflow's own. */
function isRecord(record: { [K in keyof RunRecord]: unknown }): record is RunRecord {
  const { version, id, kind, title, startedAt, updatedAt, state, facts, steps, outcome } = record;
  return (
    typeof version === 'number' &&
    typeof id === 'string' &&
    [kind, title].every((text) => typeof text === 'string') &&
    [startedAt, updatedAt].every((time) => typeof time === 'string' && Number.isFinite(Date.parse(time))) &&
    STATES.includes(state) &&
    typeof facts === 'object' &&
    facts !== null &&
    (outcome === null || typeof outcome === 'string') &&
    Array.isArray(steps) &&
    steps.every(isStep)
  );
}

function isStep(step: { [K in keyof StepRecord]?: unknown } | null): boolean {
  const { id, state, at, error } = step ?? {};
  return [id, state, at].every((text) => typeof text === 'string') && ['undefined', 'string'].includes(typeof error);
}

function tooNew(record: RunRecord): ForgeError {
  return new ForgeError(`The run ${record.id} was written by a newer forgectl.`, {
    code: 'RUN_TOO_NEW',
    exit: EXIT.conflict,
    hint: 'Go on with that version.',
    details: { run: record.id },
  });
}

function hasEnded(record: RunRecord): ForgeError {
  return new ForgeError(`The run ${record.id} has ended: ${record.outcome ?? record.state}.`, {
    code: 'RUN_ENDED',
    exit: EXIT.conflict,
    hint: `forgectl runs show ${record.id}`,
    details: { run: record.id, state: record.state },
  });
}
