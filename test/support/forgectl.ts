import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inTerminal, type Seen, type Step } from './terminal.ts';

const RUN = fileURLToPath(new URL('../../bin/run.js', import.meta.url));

export interface Finished {
  code: number | null;
  signal: string | null;
  stdout: string;
  stderr: string;
}

/** A user of their own: empty home, own settings, own sandbox. */
export class Home {
  readonly directory = mkdtempSync(join(tmpdir(), 'forgectl test ')); // a space, on purpose
  readonly env: NodeJS.ProcessEnv;

  constructor(more: NodeJS.ProcessEnv = {}) {
    this.env = {
      PATH: process.env['PATH'],
      HOME: this.directory,
      FORGECTL_SANDBOX_DIR: join(this.directory, 'sandbox'),
      FORGECTL_SANDBOX_IMAGES: process.env['FORGECTL_SANDBOX_IMAGES'],
      LANG: 'C.UTF-8',
      // A sandbox's hour may be half a minute here, and on a slow computer a launch takes that long.
      FORGECTL_TIMEOUT: '48h',
      ...more,
    };
  }

  /** The real command as a child process, in a pipe, with nothing on stdin but `input`. */
  run(
    words: string[],
    options: {
      input?: string;
      env?: NodeJS.ProcessEnv;
      onStart?: (pid: number) => void;
      onStdout?: (text: string, kill: (signal: NodeJS.Signals) => void) => void;
      onStderr?: (text: string, kill: (signal: NodeJS.Signals) => void) => void;
    } = {},
  ): Promise<Finished> {
    const child = this.start(words, options.env);
    options.onStart?.(child.pid as number);
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      options.onStdout?.(text, (signal) => child.kill(signal));
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
      options.onStderr?.(text, (signal) => child.kill(signal));
    });
    child.stdin.on('error', () => {});
    child.stdin.end(options.input ?? '');
    return new Promise((resolve) => child.once('close', (code, signal) => resolve({ code, signal, stdout, stderr })));
  }

  /** Its streams in the test's own hands. */
  start(words: string[], env: NodeJS.ProcessEnv = {}): ChildProcessWithoutNullStreams {
    return spawn(process.execPath, ['--', RUN, ...words], {
      env: { ...this.env, ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
  }

  /** In a terminal, with somebody who types. */
  terminal(words: string[], steps: Step[], env: NodeJS.ProcessEnv = {}): Promise<Seen> {
    return inTerminal([process.execPath, '--', RUN, ...words], { steps, env: { ...this.env, ...env } });
  }

  /** For a shell here: forgectl as one quoted word list. */
  get shellWords(): string {
    return `'${process.execPath}' -- '${RUN}'`;
  }

  async json<T = Record<string, never>>(
    words: string[],
    options: Parameters<Home['run']>[1] = {},
  ): Promise<T & Record<string, unknown>> {
    const own = words.includes('--') ? words.indexOf('--') : words.length;
    const { stdout, stderr } = await this.run([...words.slice(0, own), '--json', ...words.slice(own)], options);
    try {
      return JSON.parse(stdout) as T & Record<string, unknown>;
    } catch {
      throw new Error(`not one JSON document: ${stdout}\n${stderr}`);
    }
  }

  /** What the sandbox wrote of itself. */
  sandboxFile(): { url: string; api_key: string; pid: number } {
    return JSON.parse(readFileSync(join(this.directory, 'sandbox', 'sandbox.json'), 'utf8'));
  }

  /** A call to the sandbox without any code of ours. */
  async call(method: string, path: string, body?: unknown): Promise<{ status: number; body: never }> {
    const { url, api_key: key } = this.sandboxFile();
    const answer = await fetch(`${url}${path}`, {
      method,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    // The limits hold for tests too; the sandbox's clock is fast, so the wait is short.
    if (answer.status === 429) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      return this.call(method, path, body);
    }
    try {
      return { status: answer.status, body: JSON.parse(text) as never };
    } catch {
      return { status: answer.status, body: text as never };
    }
  }

  /** Waits until the sandbox shows the state; without a process for each look. */
  async statusSettles(instanceId: number, status: string): Promise<void> {
    for (let look = 0; look < 400; look += 1) {
      const { body } = await this.call('GET', '/api/v1/instances/');
      const rows = (body as { instances: { id: number; actual_status: string | null }[] }).instances;
      if (rows.find(({ id }) => id === instanceId)?.actual_status === status) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`instance ${instanceId} is not ${status} after 20 s`);
  }

  async remove(): Promise<void> {
    await this.run(['sandbox', 'stop']);
    rmSync(this.directory, { recursive: true, force: true });
  }
}
