import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Sandbox, startSandbox } from '../../src/sandbox/sandbox.ts';
import { type Finished, Home } from '../support/forgectl.ts';
import { CuttingProxy } from './cutting-proxy.ts';
import { openInertMachine } from './inert-machine.ts';

const RUN = fileURLToPath(new URL('../../bin/run.js', import.meta.url));
const PRELOAD = new URL('./kill-at-journal-write.mjs', import.meta.url).href;
const TIME_SCALE = 200;
const LAUNCH = ['launch', '--best', '--yes', '--wait-for', 'api', '--max-lifetime', '4h', '--json'];
/** Wall time: calls that hang are given up after this. */
const API_TIMEOUT_S = '1';
/** The platform may notice a destroy, and a stalled call may arrive, a moment after the command ended. */
const SETTLE_MS = 60;

export type Repair = 'resume' | 'undo' | 'audit';

export interface Cut {
  at: 'call' | 'journal write';
  number: number;
  when: 'before' | 'after';
  signal: 'SIGKILL' | 'SIGINT';
}

export interface LaunchCase {
  /** Faults of the sandbox that are on from the start. */
  faults: readonly Record<string, unknown>[];
  cut: Cut | null;
  /** What the user does after a kill. */
  repair: Repair | null;
}

interface Contract {
  id: number;
  label: string | null;
  created_at: string;
  destroyed_at: string | null;
}

/** One user, one sandbox, one launch. */
export class Trial {
  readonly home = new Home({ FORGECTL_SANDBOX: '1', FORGECTL_API_TIMEOUT: API_TIMEOUT_S });
  private sandbox!: Sandbox;
  proxy!: CuttingProxy;

  static async open(faults: LaunchCase['faults']): Promise<Trial> {
    const trial = new Trial();
    const stateDir = join(trial.home.directory, 'sandbox');
    trial.sandbox = await startSandbox({ stateDir, openMachine: openInertMachine, timeScale: TIME_SCALE, seed: 1 });
    trial.proxy = await CuttingProxy.open(trial.sandbox.port);
    const file = join(stateDir, 'sandbox.json');
    const about = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
    writeFileSync(file, JSON.stringify({ ...about, url: trial.proxy.url }));
    for (const fault of faults) await trial.direct('PUT', '/sandbox/faults/', fault);
    return trial;
  }

  async close(): Promise<void> {
    await this.proxy.close();
    await this.sandbox.close();
    // Nothing of it runs any more; `sandbox stop` must not be sent to this process.
    const { rmSync } = await import('node:fs');
    rmSync(this.home.directory, { recursive: true, force: true });
  }

  /** Not through the proxy: not counted. */
  async direct(method: string, path: string, body?: unknown): Promise<unknown> {
    const answer = await fetch(`${this.sandbox.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${this.sandbox.apiKey}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return answer.json();
  }

  async ledger(): Promise<Contract[]> {
    return ((await this.direct('GET', '/sandbox/ledger/')) as { contracts: Contract[] }).contracts;
  }

  launch(cut: Cut | null): Promise<Finished> {
    const env: NodeJS.ProcessEnv = { ...this.home.env, NODE_OPTIONS: `--import=${PRELOAD}` };
    env['COUNT_JOURNAL_WRITES'] = this.countFile;
    if (cut?.at === 'journal write') env['KILL_AT_JOURNAL_WRITE'] = `${cut.when}:${cut.number}`;
    const child = spawn(process.execPath, [RUN, ...LAUNCH], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    this.proxy.arm(
      cut?.at === 'call' ? { call: cut.number, when: cut.when, act: () => void child.kill(cut.signal) } : null,
    );
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    return new Promise((resolve) => child.once('close', (code, signal) => resolve({ code, signal, stdout, stderr })));
  }

  /** How often a launch has put its journal in place. */
  get journalWrites(): number {
    return existsSync(this.countFile) ? readFileSync(this.countFile, 'utf8').length : 0;
  }

  cutOffRuns(): string[] {
    const directory = join(this.home.directory, '.local', 'state', 'forgectl', 'runs', 'sandbox');
    if (!existsSync(directory)) return [];
    return readdirSync(directory).filter((name) => name.endsWith('.open.json'));
  }

  private get countFile(): string {
    return join(this.home.directory, 'journal-writes');
  }
}

/** Runs the case. Returns what is wrong, in words; nothing when the money is safe. */
export async function runCase({ faults, cut, repair }: LaunchCase): Promise<string[]> {
  const trial = await Trial.open(faults);
  try {
    const first = await trial.launch(cut);
    let last = first;
    const problems = [...bugsIn(last)];
    if (last.signal === 'SIGKILL') {
      await trial.direct('DELETE', '/sandbox/faults/');
      trial.proxy.arm(null);
      last = await repairAfterKill(trial, repair ?? 'undo');
      problems.push(...bugsIn(last));
    }
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    // A launch that was killed at its very end may have told already.
    const told = typeof parse(first.stdout)?.['id'] === 'number' ? first.stdout : '';
    problems.push(...judge(last, told, await trial.ledger(), trial.cutOffRuns()));
    return problems.map((problem) => `${problem}\n  ${last.code} ${last.signal}\n${last.stdout}${last.stderr}`);
  } finally {
    await trial.close();
  }
}

/** A launch that was killed before its journal has nothing to be repaired. */
function repairAfterKill(trial: Trial, repair: Repair): Promise<Finished> {
  const { home } = trial;
  if (repair === 'audit' || trial.cutOffRuns().length === 0) return home.run(['audit', '--fix', '--yes', '--json']);
  return home.run(repair === 'undo' ? ['undo', '--yes', '--json'] : ['resume', '--json']);
}

function bugsIn({ code, stderr }: Finished): string[] {
  const problems: string[] = [];
  if (code === 1) problems.push('exit 1 is a bug');
  if (/^\s+at .*\(?(file:|node:)/mu.test(stderr)) problems.push('a stack was printed');
  return problems;
}

function judge(last: Finished, told: string, ledger: readonly Contract[], cutOff: readonly string[]): string[] {
  const problems: string[] = [];
  const living = ledger.filter((contract) => contract.destroyed_at === null);
  const output = told + last.stdout + last.stderr;
  if (twoAtOnce(ledger)) problems.push('two contracts lived at the same time for one launch');
  const unknown = living.filter(({ id, label }) => !output.includes(String(id)) && !output.includes(label ?? '\0'));
  if (unknown.length > 0) problems.push(`nobody was told of ${unknown.map(({ id }) => id).join(', ')}`);
  const document = parse(last.stdout);
  const id = document?.['id'];
  if (last.code === 0 && typeof id === 'number' && living.map((contract) => contract.id).join() !== String(id))
    problems.push(`instance ${id} was reported, and ${living.map((contract) => contract.id).join() || 'none'} lives`);
  if (last.code === 0 && id === undefined && told === '' && living.length > 0)
    problems.push('the clean-up left a contract');
  if ((last.code === 130 || last.code === 143) && living.length > 0) problems.push('the interruption left a contract');
  if (last.code === 0 && cutOff.length > 0) problems.push('done, and yet a run is open');
  if (document === null) problems.push('stdout is not one JSON document');
  return problems;
}

function twoAtOnce(ledger: readonly Contract[]): boolean {
  const end = (contract: Contract): string => contract.destroyed_at ?? '9999';
  return ledger.some((one) =>
    ledger.some((other) => one.id < other.id && one.created_at < end(other) && other.created_at < end(one)),
  );
}

function parse(text: string): Record<string, unknown> | null {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return null;
  }
}
