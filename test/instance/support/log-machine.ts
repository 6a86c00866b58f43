import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { FrameParser, type LogFrame } from '../../../src/instance/log-reader/frames.ts';
import { type Break, LogStream, type LogWish } from '../../../src/instance/log-reader/log-stream.ts';
import { logReaderScript } from '../../../src/instance/log-reader/script.ts';
import { newMarker } from '../../../src/instance/remote-script.ts';
import { MachineRoot } from './machine-root.ts';

const PYTHON = execFileSync('python3', ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' }).trim();

/** A machine whose logs a test writes, and does to what services and the portal do. */
export class LogMachine {
  readonly root = new MachineRoot();

  constructor() {
    this.makePython();
  }

  /** Not through whatever this computer has in front of it. */
  makePython(): void {
    this.root.tool('python3', `exec '${PYTHON}' "$@"`, 'usr/local/bin');
  }

  path(name: string): string {
    const path = join(this.root.path, 'var/log/portal', `${name}.log`);
    mkdirSync(dirname(path), { recursive: true });
    return path;
  }

  append(name: string, text: string): void {
    appendFileSync(this.path(name), text);
  }

  /** A service starts (utils/logging.sh): what was there is moved aside. */
  rotate(name: string): void {
    if (existsSync(this.path(name))) renameSync(this.path(name), `${this.path(name)}.old`);
  }

  /** log-tee, portal.py: the last lines in a new file that takes the name. */
  trim(name: string, lines: number): void {
    writeFileSync(`${this.path(name)}.rotate`, this.lastLines(name, lines));
    renameSync(`${this.path(name)}.rotate`, this.path(name));
  }

  /** The same, written over the file itself. */
  trimInPlace(name: string, lines: number): void {
    writeFileSync(this.path(name), this.lastLines(name, lines));
  }

  lineCount(name: string): number {
    return existsSync(this.path(name)) ? readFileSync(this.path(name), 'utf8').split('\n').length - 1 : 0;
  }

  lastLines(name: string, lines: number): string {
    const all = readFileSync(this.path(name), 'utf8').split('\n');
    return all.slice(-lines - 1).join('\n');
  }

  remove(): void {
    this.root.remove();
  }
}

/** The reader run by a bash on this computer, in any number of connections, one after the other. */
export class LogFollower {
  readonly lines: [name: string, text: string][] = [];
  readonly gaps: [name: string, why: Break][] = [];
  readonly caughtUp = new Set<string>();
  readonly frames: LogFrame[] = [];
  connections = 0;
  stderr = '';
  readonly stream: LogStream;
  private readonly root: MachineRoot;
  private child: ChildProcess | null = null;
  /** The next connection is cut when so many bytes have arrived. */
  cutAfterBytes = Number.POSITIVE_INFINITY;

  constructor(machine: LogMachine, wish: Partial<LogWish> = {}) {
    this.root = machine.root;
    const all = { names: ['forge'], follow: true, tail: null, since: null, ...wish };
    this.stream = new LogStream(all, {
      line: (name, text) => this.lines.push([name, text]),
      partial: () => {},
      gap: (name, why) => this.gaps.push([name, why]),
      caughtUp: (name) => this.caughtUp.add(name),
      done: () => {},
    });
  }

  texts(name = 'forge'): string[] {
    return this.lines.filter(([of]) => of === name).map(([, text]) => text);
  }

  /** Connects, or connects again. Resolves when the conversation has ended. */
  async converse(chunkBytes = Number.POSITIVE_INFINITY): Promise<void> {
    const marker = newMarker();
    const parser = new FrameParser(marker);
    const child = spawn('bash', ['--noprofile', '--norc', '-s'], {
      env: { PATH: process.env['PATH'], FORGECTL_ROOT: this.root.path, TZ: 'UTC' },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.child = child;
    this.connections += 1;
    const ended = once(child, 'close');
    child.stdin.on('error', () => {});
    child.stderr.on('data', (text: Buffer) => {
      this.stderr += text.toString('utf8');
    });
    child.stdin.write(logReaderScript(marker));
    let bytes = 0;
    const { cutAfterBytes } = this;
    this.cutAfterBytes = Number.POSITIVE_INFINITY;
    child.stdout.on('data', (chunk: Buffer) => {
      const kept = chunk.subarray(0, Math.max(0, cutAfterBytes - bytes));
      bytes += kept.length;
      for (let at = 0; at < kept.length; at += chunkBytes)
        for (const frame of parser.push(kept.subarray(at, Math.min(kept.length, at + chunkBytes))))
          this.take(frame, child);
      if (bytes >= cutAfterBytes || this.stream.isDone) this.cut();
    });
    await ended;
  }

  cut(): void {
    this.child?.stdin?.end();
    this.child?.stdout?.destroy();
  }

  private take(frame: LogFrame, child: ChildProcess): void {
    this.frames.push(frame);
    if (frame.t === 'catalog') child.stdin?.write(`${this.stream.request()}\n`);
    else this.stream.apply(frame);
  }
}

export async function until(isTrue: () => boolean, what: () => string = () => String(isTrue)): Promise<void> {
  for (let look = 0; look < 400; look += 1) {
    if (isTrue()) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`never true: ${what()}`);
}
