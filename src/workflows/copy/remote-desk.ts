import { deskRequest, type FileScript } from '../../instance/files/file-scripts.js';
import { unreadable } from '../../instance/unreadable.js';
import { connectionLost } from '../../ssh/login-failure.js';
import type { Running } from './remote-runner.js';

export interface Said {
  exitCode: number;
  stderr: string;
}

/** Takes a piece of an answer; the next one is read when it is done. What it throws ends the desk. */
export type OnOutput = (chunk: Buffer) => void | Promise<void>;

interface Question {
  onOutput: OnOutput;
  resolve: (said: Said) => void;
  reject: (error: unknown) => void;
}

/** "255 20000": the status of a script and the length of what it said on stderr. */
const LONGEST_STATUS = 10;

/**
 * A process on the machine that answers one question after the other, so that a question costs one way there and back
 * instead of three. Further questions may be asked before the first is answered.
 */
export class RemoteDesk {
  private readonly running: Running;
  private readonly sign: Buffer;
  private readonly questions: Question[] = [];
  private writing: Promise<unknown> = Promise.resolve();
  private state: 'open' | 'closed' = 'open';
  private giveUp: (reason: unknown) => void = () => {};

  constructor(running: Running, marker: string) {
    this.running = running;
    this.sign = Buffer.from(`\n${marker} `);
    running.ended.catch((reason: unknown) => this.giveUp(reason));
    this.readAnswers().then(
      () => this.close(connectionLost('it was closed')),
      (error: unknown) => this.close(error),
    );
  }

  get isOpen(): boolean {
    return this.state === 'open';
  }

  ask(script: FileScript, input: Buffer, onOutput: OnOutput): Promise<Said> {
    // It may have closed since it was looked at.
    if (this.state === 'closed') return Promise.reject(connectionLost('it was closed'));
    return new Promise((resolve, reject) => {
      this.questions.push({ onOutput, resolve, reject });
      this.writing = this.writing.then(() => this.running.write(deskRequest(script, input)));
    });
  }

  private async readAnswers(): Promise<void> {
    let held: Buffer = Buffer.alloc(0);
    for await (const chunk of this.running.output) {
      held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
      for (let rest = await this.takeAnswer(held); rest !== null; rest = await this.takeAnswer(held)) held = rest;
      // All but what may be the beginning of the sign, or of what comes with it.
      const at = held.indexOf(this.sign);
      const passed = at === -1 ? Math.max(0, held.length - this.sign.length) : at;
      if (passed > 0) await this.handOn(held.subarray(0, passed));
      held = held.subarray(passed);
    }
    await this.running.ended;
  }

  /** What is behind the first whole answer; null when there is none yet. */
  private async takeAnswer(held: Buffer): Promise<Buffer | null> {
    const at = held.indexOf(this.sign);
    if (at === -1) return null;
    const begin = at + this.sign.length;
    const line = held.toString('latin1', begin, begin + LONGEST_STATUS);
    const lineEnd = line.indexOf('\n');
    if (lineEnd === -1 && line.length < LONGEST_STATUS) return null;
    const [, status, length] = /^(\d{1,3}) (\d{1,5})$/u.exec(line.slice(0, Math.max(0, lineEnd))) ?? [];
    if (status === undefined) throw unreadable('the end of an answer about its files is none');
    const end = begin + lineEnd + 1 + Number(length);
    if (held.length < end) return null;
    // It is asked for until it is answered: what takes its output may fail.
    if (at > 0) await this.handOn(held.subarray(0, at));
    const question = this.questions.shift();
    question?.resolve({ exitCode: Number(status), stderr: held.toString('utf8', begin + lineEnd + 1, end) });
    return held.subarray(end);
  }

  /** Also ends when the process is cut: whoever takes the output may be busy with it for long. */
  private handOn(chunk: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      this.giveUp = reject;
      // What it throws at once rejects, too.
      Promise.resolve(this.questions[0]?.onOutput(chunk)).then(resolve, reject);
    });
  }

  private close(reason: unknown): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.running.cut(reason);
    for (const { reject } of this.questions.splice(0)) reject(reason);
  }
}
