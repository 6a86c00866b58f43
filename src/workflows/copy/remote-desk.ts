import { deskRequest, type FileScript } from '../../instance/files/file-scripts.js';
import { connectionLost } from '../../ssh/login-failure.js';
import type { Running } from './remote-runner.js';

export interface Said {
  exitCode: number;
  stderr: string;
}

interface Question {
  onOutput: (chunk: Buffer) => void;
  resolve: (said: Said) => void;
  reject: (error: unknown) => void;
}

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

  constructor(running: Running, marker: string) {
    this.running = running;
    this.sign = Buffer.from(`\n${marker} `);
    this.readAnswers().then(
      () => this.close(connectionLost('it was closed')),
      (error: unknown) => this.close(error),
    );
  }

  get isOpen(): boolean {
    return this.state === 'open';
  }

  ask(script: FileScript, input: Buffer, onOutput: (chunk: Buffer) => void): Promise<Said> {
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
      for (let rest = this.takeAnswer(held); rest !== null; rest = this.takeAnswer(held)) held = rest;
      // All but what may be the beginning of the sign, or of what comes with it.
      const at = held.indexOf(this.sign);
      const passed = at === -1 ? Math.max(0, held.length - this.sign.length) : at;
      if (passed > 0) this.questions[0]?.onOutput(held.subarray(0, passed));
      held = held.subarray(passed);
    }
    await this.running.ended;
  }

  /** What is behind the first whole answer; null when there is none yet. */
  private takeAnswer(held: Buffer): Buffer | null {
    const at = held.indexOf(this.sign);
    const lineEnd = at === -1 ? -1 : held.indexOf('\n', at + this.sign.length);
    if (lineEnd === -1) return null;
    const [status = Number.NaN, length = 0] = held
      .toString('latin1', at + this.sign.length, lineEnd)
      .split(' ')
      .map(Number);
    const end = lineEnd + 1 + length;
    if (held.length < end) return null;
    const question = this.questions.shift();
    if (at > 0) question?.onOutput(held.subarray(0, at));
    question?.resolve({ exitCode: status, stderr: held.toString('utf8', lineEnd + 1, end) });
    return held.subarray(end);
  }

  private close(reason: unknown): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.running.cut(reason);
    for (const { reject } of this.questions.splice(0)) reject(reason);
  }
}
