import { randomInt } from 'node:crypto';
import { EXIT, ForgeError } from '../../../errors.js';
import type { BytePath } from '../../../instance/files/byte-path.js';
import { meetScript, type PullWish, pullScript, pushScript } from '../../../instance/migration/direct/passage.js';
import { connectionLost } from '../../../ssh/login-failure.js';
import { commandFailed, diskFull, lastLine } from '../../copy/problems.js';
import type { RemoteRunner, Running } from '../../copy/remote-runner.js';

/** Why a file did not come. The destination says it, and may pass on the source's word. */
type FileProblem = 'vanished' | 'changed' | 'unreadable' | 'unwritable';

/** What the destination's half says when a job is done. */
export interface JobEnd {
  problems: [index: number, kind: FileProblem, detail: string | null][];
  /** A file of ranges that could not be opened at the source. */
  unreadable: string | null;
  /** It has become shorter meanwhile. */
  shorter: boolean;
}

/** As it came: a machine may say anything. */
type Said = Readonly<Record<string, unknown>>;

/** When the source logs in to the destination. */
export interface PushWish {
  /** Of the source. */
  runner: RemoteRunner;
  wish: PullWish;
  workspace: string;
  /** Where those wait who are logged in to. */
  destinationPlace: string;
}

/** More than the longest answer: a pack of files, of which each has its problem. */
const LONGEST_LINE = 4 * 1024 * 1024;
const LONGEST_DETAIL = 200;

/** The destination's. */
interface PullerEnd {
  /** For messages. */
  name: string;
  /** It writes nowhere else than below. */
  top: BytePath;
}

/** Exit codes of the destination's half. */
const LOST = 3;
const FULL = 28;

/** One process on the destination with one SSH connection of its own from or to the source; one job at a time. */
export class Puller {
  /** There and back between the machines. */
  awayMs = 0;
  /** The source's end, when it has logged in. */
  private pushing: Running | null = null;
  private readonly running: Running;
  private readonly lines: AsyncGenerator<string>;
  private readonly name: string;

  private constructor(running: Running, name: string) {
    this.running = running;
    this.lines = linesOf(running.output);
    this.name = name;
  }

  /** Resolves when the source has answered. */
  static async pull(runner: RemoteRunner, wish: PullWish, { name, top }: PullerEnd): Promise<Puller> {
    const puller = new Puller(await runner.start(pullScript(wish, top)), name);
    return puller.ready(await puller.next());
  }

  /** The other way round: this one waits for the source to come. */
  static async meet(runner: RemoteRunner, push: PushWish, { name, top }: PullerEnd): Promise<Puller> {
    const number = String(randomInt(2 ** 40));
    const puller = new Puller(await runner.start(meetScript(push.destinationPlace, number, top)), name);
    try {
      if ((await puller.next())['waits'] !== true) throw puller.nonsense();
      const { workspace, wish } = push;
      const pushing = await push.runner.start(pushScript(wish, { workspace, number }), { mayPause: true });
      puller.pushing = pushing;
      const refused = pushing.ended.then(({ stderr }) => {
        throw lost(stderr);
      });
      refused.catch(() => {});
      return puller.ready(await Promise.race([puller.next(), refused]));
    } catch (error) {
      puller.close();
      throw error;
    }
  }

  private ready({ ready, away_ms: awayMs }: Said): this {
    if (ready !== true || !isCount(awayMs)) throw this.nonsense();
    this.awayMs = awayMs;
    return this;
  }

  async run(job: Record<string, unknown>, onBytes: (bytes: number) => void): Promise<JobEnd> {
    await this.running.write(`${JSON.stringify(job)}\n`);
    for (;;) {
      const said = await this.next();
      const { bytes = 0, done } = said;
      if (!isCount(bytes)) throw this.nonsense();
      if (bytes > 0) onBytes(bytes);
      if (done === true) return endOf(said) ?? this.refuse();
    }
  }

  close(): void {
    for (const running of [this.running, this.pushing]) {
      running?.endInput();
      running?.cut(new Error('left'));
    }
  }

  private async next(): Promise<Said> {
    const { value, done } = await this.lines.next();
    if (done) throw await this.whyEnded();
    const said = saidIn(value);
    if (said === null) throw this.nonsense();
    return said;
  }

  private refuse(): never {
    throw this.nonsense();
  }

  private async whyEnded(): Promise<unknown> {
    const { exitCode, stderr } = await this.running.ended;
    if (exitCode === FULL) return diskFull(this.name);
    if (exitCode !== LOST) return commandFailed('fetch from the source', this.name, { exitCode, stderr });
    return lost(stderr);
  }

  private nonsense(): ForgeError {
    this.running.cut(new Error('nonsense'));
    return new ForgeError(`${this.name} gave no readable answer while it fetched.`, {
      code: 'REMOTE_ANSWER_UNREADABLE',
      exit: EXIT.notReady,
      hint: 'Another way: --via relay',
    });
  }
}

function lost(stderr: string): ForgeError {
  const why = lastLine(stderr).replace(/\p{Cc}+/gu, ' ');
  const words = `the source said no more to the destination${why === '' ? '' : `: ${why}`}`;
  return connectionLost(words, 'SSH_BETWEEN_LOST');
}

/** Null for what is no object. */
function saidIn(line: string): Said | null {
  try {
    const said: unknown = JSON.parse(line);
    return typeof said === 'object' && said !== null && !Array.isArray(said) ? (said as Said) : null;
  } catch {
    return null;
  }
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}

/** Null for what cannot be the end of a job. */
function endOf({ problems = [], unreadable, shorter }: Said): JobEnd | null {
  if (!Array.isArray(problems)) return null;
  const found = problems.map(problemOf).filter((problem) => problem !== null);
  if (found.length < problems.length) return null;
  return { problems: found, unreadable: wordsOf(unreadable), shorter: shorter === true };
}

const FILE_PROBLEMS: readonly unknown[] = ['vanished', 'changed', 'unreadable', 'unwritable'] satisfies FileProblem[];

function problemOf(value: unknown): JobEnd['problems'][number] | null {
  if (!Array.isArray(value)) return null;
  const [index, kind, detail] = value as unknown[];
  if (!Number.isSafeInteger(index) || !FILE_PROBLEMS.includes(kind)) return null;
  return [index as number, kind as FileProblem, wordsOf(detail)];
}

/** Of a machine's own words only so many, on one line. */
function wordsOf(text: unknown): string | null {
  return typeof text === 'string' ? text.slice(0, LONGEST_DETAIL).replace(/\p{Cc}+/gu, ' ') : null;
}

async function* linesOf(output: AsyncGenerator<Buffer>): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of output) {
    const lines = (rest + chunk.toString('utf8')).split('\n');
    rest = lines.pop() ?? '';
    yield* lines.filter((line) => line !== '');
    // No line of its: `next` cannot read it.
    if (rest.length > LONGEST_LINE) yield rest.slice(0, 1);
  }
}
