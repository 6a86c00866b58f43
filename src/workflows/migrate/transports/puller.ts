import { randomInt } from 'node:crypto';
import { EXIT, ForgeError } from '../../../errors.js';
import { meetScript, type PullWish, pullScript, pushScript } from '../../../instance/migration/direct/passage.js';
import { connectionLost } from '../../../ssh/login-failure.js';
import { commandFailed, diskFull, lastLine } from '../../copy/problems.js';
import type { RemoteRunner, Running } from '../../copy/remote-runner.js';

/** What the destination's half says when a job is done. */
export interface JobEnd {
  problems?: [index: number, kind: 'vanished' | 'changed' | 'unreadable' | 'unwritable', detail: string | null][];
  /** A file of ranges that could not be opened at the source. */
  unreadable?: string;
  /** It has become shorter meanwhile. */
  shorter?: boolean;
}

type Said = JobEnd & { waits?: boolean; ready?: boolean; away_ms?: number; bytes?: number; done?: boolean };

/** When the source logs in to the destination. */
export interface PushWish {
  /** Of the source. */
  runner: RemoteRunner;
  wish: PullWish;
  workspace: string;
  /** Where those wait who are logged in to. */
  destinationPlace: string;
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
  static async pull(runner: RemoteRunner, wish: PullWish, name: string): Promise<Puller> {
    const puller = new Puller(await runner.start(pullScript(wish)), name);
    return puller.ready(await puller.next());
  }

  /** The other way round: this one waits for the source to come. */
  static async meet(runner: RemoteRunner, push: PushWish, name: string): Promise<Puller> {
    const number = String(randomInt(2 ** 40));
    const puller = new Puller(await runner.start(meetScript(push.destinationPlace, number)), name);
    try {
      if ((await puller.next()).waits !== true) throw puller.nonsense();
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

  private ready({ ready, away_ms: awayMs = 0 }: Said): this {
    if (ready !== true) throw this.nonsense();
    this.awayMs = awayMs;
    return this;
  }

  async run(job: Record<string, unknown>, onBytes: (bytes: number) => void): Promise<JobEnd> {
    await this.running.write(`${JSON.stringify(job)}\n`);
    for (;;) {
      const said = await this.next();
      if (typeof said.bytes === 'number' && said.bytes > 0) onBytes(said.bytes);
      if (said.done === true) return said;
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
    try {
      return JSON.parse(value) as Said;
    } catch {
      throw this.nonsense();
    }
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

async function* linesOf(output: AsyncGenerator<Buffer>): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of output) {
    const lines = (rest + chunk.toString('utf8')).split('\n');
    rest = lines.pop() ?? '';
    yield* lines.filter((line) => line !== '');
  }
}
