import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Finished, Home } from '../../support/forgectl.ts';
import { HostileApi } from './hostile-api.ts';

const BASH = fileURLToPath(new URL('hostile-bash.py', import.meta.url));
/** Of one command, real time; what takes longer hangs. */
const LIMIT_MS = 90_000;

/** What a machine says in the place of what is so. `escapes` leaves everything readable, with escapes in it. */
export interface Lies {
  seed: number;
  /** Of the answers that are lies. */
  share: number;
  values: 'escapes' | 'all';
}

/** A user with a machine, and an API, that can be made to lie from one command to the next. */
export class HostileHome {
  readonly home = new Home({ FORGECTL_SANDBOX: '1' });
  readonly api = new HostileApi();
  id = 0;
  private bin = '';

  /** `withOther`: a second machine, called "other", which always says what is so. */
  async start({ withOther }: { withOther: boolean }): Promise<void> {
    const { home } = this;
    const started = await home.run(['sandbox', 'start', '--time-scale', '100']);
    if (started.code !== 0) throw new Error(started.stderr);
    const launch = ['launch', '--best', '--yes', '--forge-args', '--api', '--label'];
    const launched = await Promise.all([
      home.json<{ id: number }>([...launch, 'web']),
      ...(withOther ? [home.json<{ id: number }>([...launch, 'other', '--wait-for', 'boot'])] : []),
    ]);
    if (launched.some(({ id }) => typeof id !== 'number')) throw new Error(JSON.stringify(launched));
    this.id = launched[0]?.id ?? 0;
    // A backup and a history, so that there is one to lie about.
    await home.run(['venv', 'freeze', 'web']);
    const root = join(home.directory, 'sandbox', 'machines', String(this.id), 'root');
    writeHistory(root);
    this.bin = join(root, 'opt', 'instance-tools', 'bin');
    const python = execFileSync('python3', ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' }).trim();
    writeFileSync(join(this.bin, 'bash'), `#!${python} -IS\n${readFileSync(BASH, 'utf8')}`, { mode: 0o755 });
    const file = join(home.directory, 'sandbox', 'sandbox.json');
    const about = JSON.parse(readFileSync(file, 'utf8')) as { url: string };
    writeFileSync(file, JSON.stringify({ ...about, url: await this.api.start(about.url) }));
  }

  async stop(): Promise<void> {
    this.machineLies(null);
    this.api.lies = null;
    await this.home.remove();
    await this.api.stop();
  }

  machineLies(lies: Lies | null): void {
    const file = join(this.bin, 'hostile.json');
    if (lies === null) rmSync(file, { force: true });
    else writeFileSync(file, JSON.stringify(lies));
  }

  /** Throws when it does not end in its time. */
  async run(words: string[], env: NodeJS.ProcessEnv = {}): Promise<Finished> {
    let timer: NodeJS.Timeout | undefined;
    const onStart = (pid: number): void => {
      timer = setTimeout(() => process.kill(pid, 'SIGKILL'), LIMIT_MS);
    };
    const ran = await this.home.run(words, { env, onStart });
    clearTimeout(timer);
    if (ran.signal !== null) throw new Error(`${words.join(' ')} did not end: ${ran.stdout}\n${ran.stderr}`);
    return ran;
  }
}

/** A few at a time. */
export async function inTurns<Job>(jobs: readonly Job[], act: (job: Job) => Promise<void>): Promise<void> {
  const left = [...jobs];
  const worker = async (): Promise<void> => {
    for (let job = left.shift(); job !== undefined; job = left.shift()) await act(job);
  };
  await Promise.all([worker(), worker(), worker()]);
}

function writeHistory(root: string): void {
  const side = (digit: string) => ({ sha: digit.repeat(40), subject: 'A commit', name: 'branch main', branch: null });
  const entry = {
    ...{ run: 'upgrade-0a1b2c3d', at: '2026-01-31T12:00:00Z', from: side('1'), to: side('2') },
    ...{ remoteBefore: null, remoteUrl: 'https://example.com/forge.git', result: 'rolled back' },
    ...{ reason: 'Forge did not answer', downtimeS: 12 },
  };
  const kept = join(root, 'var', 'lib', 'forgectl', 'upgrades');
  mkdirSync(kept, { recursive: true });
  const line = Buffer.from(JSON.stringify(entry)).toString('base64');
  writeFileSync(join(kept, 'history'), `${entry.run} ${line}\n`);
}
