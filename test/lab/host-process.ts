import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Place } from './addresses.ts';

const OUTSIDE = fileURLToPath(new URL('machine/outside.sh', import.meta.url));
const START_LIMIT_MS = 20_000;
/** launch.sh gives what runs one second. */
const STOP_LIMIT_MS = 6_000;

export interface HostStart {
  place: Place;
  hostname: string;
  /** Of its disk. */
  mountOptions: string;
  folder: string;
  env: Record<string, string>;
  /** "outside:inside" */
  published: string[];
}

/** A running machine: the process that holds its namespaces, and in them its first process. */
export class HostProcess {
  /** As this world numbers it. */
  readonly initPid: number;
  private readonly holder: ChildProcess;

  private constructor(holder: ChildProcess, initPid: number) {
    this.holder = holder;
    this.initPid = initPid;
  }

  /** The kernel kills all of it when this process ends, in whatever way. */
  static async start({ place, hostname, mountOptions, folder, env, published }: HostStart): Promise<HostProcess> {
    const console = openSync(join(folder, 'console.log'), 'a', 0o600);
    const namespaces = ['--mount', '--net', '--uts', '--ipc'];
    const machine = [
      OUTSIDE,
      place.address,
      place.mac,
      place.link,
      hostname,
      join(folder, 'root'),
      mountOptions,
      ...published,
    ];
    const holder = spawn('setpriv', ['--pdeathsig', 'KILL', 'unshare', ...namespaces, '--', 'bash', ...machine], {
      env,
      stdio: ['ignore', console, console],
      detached: true,
    });
    closeSync(console);
    return new HostProcess(holder, await firstProcess(holder, () => readFileSync(join(folder, 'console.log'), 'utf8')));
  }

  get runs(): boolean {
    return this.holder.exitCode === null && this.holder.signalCode === null;
  }

  /** As a container is stopped: asked, then killed. */
  async stop(): Promise<void> {
    if (!this.runs) return;
    const killer = setTimeout(() => void this.kill(), STOP_LIMIT_MS);
    signal(this.initPid, 'SIGTERM');
    await this.ended();
    clearTimeout(killer);
  }

  /** As a machine that loses its power. */
  async kill(): Promise<void> {
    if (!this.runs) return;
    signal(this.initPid, 'SIGKILL');
    await this.ended();
  }

  private async ended(): Promise<void> {
    if (this.runs) await new Promise((resolve) => this.holder.once('exit', resolve));
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Waits for /.launch, the first process in the machine's own table. */
async function firstProcess(holder: ChildProcess, log: () => string): Promise<number> {
  const limit = Date.now() + START_LIMIT_MS;
  while (Date.now() < limit && holder.exitCode === null && holder.pid !== undefined) {
    for (const pid of childrenOf(holder.pid)) if (isLaunch(pid)) return pid;
    await pause(10);
  }
  holder.kill('SIGKILL');
  throw new Error(`a machine of the lab did not start: ${log().slice(-2000)}`);
}

function childrenOf(pid: number): number[] {
  return read(`/proc/${pid}/task/${pid}/children`).split(' ').filter(Boolean).map(Number);
}

function isLaunch(pid: number): boolean {
  return /^NSpid:.*\t1$/mu.test(read(`/proc/${pid}/status`)) && read(`/proc/${pid}/cmdline`).includes('\0/.launch\0');
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/** Until sshd greets: a connection alone proves nothing. */
export async function untilSshGreets(host: string, port: number): Promise<void> {
  await until(
    `sshd of ${host}:${port} greets`,
    async () => (await firstBytes(host, port))?.startsWith('SSH-2.0-') === true,
  );
}

export async function untilListens(host: string, port: number): Promise<void> {
  await until(`${host}:${port} is published`, async () => (await firstBytes(host, port, 1)) !== null);
}

async function until(what: string, isTrue: () => Promise<boolean>): Promise<void> {
  const limit = Date.now() + START_LIMIT_MS;
  while (!(await isTrue())) {
    if (Date.now() > limit) throw new Error(`never true: ${what}`);
    await pause(20);
  }
}

/** What a server says of its own accord; null when it cannot be connected to. */
function firstBytes(host: string, port: number, limitMs = 2_000): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (text: string | null): void => {
      socket.destroy();
      resolve(text);
    };
    socket.once('connect', () => socket.setTimeout(limitMs, () => end('')));
    socket.once('data', (data) => end(data.toString('latin1')));
    socket.once('error', () => end(null));
    socket.once('close', () => end(''));
  });
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Processes whose command line holds the text, in this world and in everything below it; ended ones do not count. */
export function processesWith(text: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/u.test(name) && read(`/proc/${name}/cmdline`).includes(text))
    .map(Number);
}
