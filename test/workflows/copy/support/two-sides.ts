import { setMaxListeners } from 'node:events';
import ssh2 from 'ssh2';
import { systemClock } from '../../../../src/clock.ts';
import type { ForgeError } from '../../../../src/errors.ts';
import { type BytePath, fromText, toText } from '../../../../src/instance/files/byte-path.ts';
import { Connection } from '../../../../src/ssh/connection.ts';
import { ConnectionPool } from '../../../../src/workflows/copy/connection-pool.ts';
import {
  type CopyOutcome,
  type CopyPlan,
  planCopy,
  runCopy,
  surveyDestination,
} from '../../../../src/workflows/copy/copy.ts';
import { readExcludes } from '../../../../src/workflows/copy/excludes.ts';
import { LocalSide } from '../../../../src/workflows/copy/local-side.ts';
import { Meter } from '../../../../src/workflows/copy/meter.ts';
import type { Wishes } from '../../../../src/workflows/copy/plan.ts';
import { RemoteRunner } from '../../../../src/workflows/copy/remote-runner.ts';
import { RemoteSide } from '../../../../src/workflows/copy/remote-side.ts';
import type { Side } from '../../../../src/workflows/copy/side.ts';
import type { Verify } from '../../../../src/workflows/copy/verify.ts';
import { WayThroughHere } from '../../../../src/workflows/copy/way.ts';
import { LoopbackSshd, newKey } from '../../../ssh/support/loopback-sshd.ts';

const host = newKey();
const user = newKey();

/** A machine whose files are this computer's, behind a real SSH server. */
export async function openMachine(env: Record<string, string> = {}): Promise<LoopbackSshd> {
  return new LoopbackSshd({ hostKeys: [host.private], authorized: [user.public], env }).listen();
}

/** As patient as the command. */
async function login(port: number, tries = 10): Promise<Connection> {
  return loginOnce(port).catch(async (error: unknown) => {
    if (tries === 1) throw error;
    await systemClock.sleep(100);
    return login(port, tries - 1);
  });
}

async function loginOnce(port: number): Promise<Connection> {
  const client = new ssh2.Client();
  await new Promise<void>((resolve, reject) => {
    client
      .once('ready', resolve)
      .on('error', reject)
      .once('close', () => reject(new Error('closed')));
    client.connect({ host: '127.0.0.1', port, username: 'root', privateKey: user.private });
  });
  return new Connection(client, { host: '127.0.0.1', port, via: 'direct' });
}

export interface CopyCase {
  /** Ports of the machine that has the source, or gets the copy; null for this computer. */
  from: number | null;
  to: number | null;
  sources: string[];
  destination: string;
  wishes?: Partial<Wishes>;
  exclude?: string[];
  followLinks?: boolean;
  verify?: Verify;
  lanes?: number;
  stallMs?: number;
  bytesPerS?: number;
  signal?: AbortSignal;
  /** Between the plan and the first byte. */
  meanwhile?: (plan: CopyPlan) => void;
  onBytes?: (bytes: number) => void;
  /** What one of the sides does otherwise. */
  twist?: (sides: { source: Side; destination: Side }) => void;
}

export interface Copied {
  plan: CopyPlan;
  outcome: CopyOutcome;
  problems: string[];
  mismatches: string[];
  losses: ForgeError[];
  movedBytes: number;
}

/** Of the one user of these tests. */
export const STAGING_KEY = 'key';

/** Far smaller than in the command, so that a few megabytes are a large file in several ranges. */
const LARGE_BYTES = 1024 * 1024;

/** One whole copy, as the command does it. */
export async function copy(one: CopyCase): Promise<Copied> {
  const failed = new AbortController();
  const signal = AbortSignal.any([failed.signal, ...(one.signal === undefined ? [] : [one.signal])]);
  setMaxListeners(0, signal);
  const pools: ConnectionPool[] = [];
  const open = (port: number | null): Side => {
    if (port === null) return new LocalSide('/');
    const pool = new ConnectionPool(() => login(port));
    pools.push(pool);
    const runner = new RemoteRunner(pool, { stallMs: one.stallMs ?? 20_000, signal });
    const places = { root: '' as BytePath, workspace: fromText('/tmp'), home: fromText('/root') };
    return new RemoteSide(`machine ${port}`, runner, places);
  };
  const sides = { source: open(one.from), destination: open(one.to) };
  one.twist?.(sides);
  const losses: ForgeError[] = [];
  try {
    const request = {
      sources: one.sources.map(fromText),
      destination: fromText(one.destination),
      onOneSide: one.from === one.to,
      exclude: readExcludes(one.exclude ?? []),
      followLinks: one.followLinks ?? false,
      mayNameLinks: one.from === null || one.wishes?.links === 'all',
    };
    const plan = await planCopy(sides, request, {
      noClobber: false,
      update: false,
      skipSame: true,
      links: one.from === null ? 'all' : 'inside',
      largeBytes: LARGE_BYTES,
      ...one.wishes,
    });
    one.meanwhile?.(plan);
    const meter = new Meter({
      clock: systemClock,
      signal,
      mostBytesPerS: one.bytesPerS ?? null,
      onProgress: ({ bytes }) => one.onBytes?.(bytes),
    });
    const context = {
      ...sides,
      way: new WayThroughHere({ ...sides, meter }),
      meter,
      clock: systemClock,
      signal,
      stop: (why: unknown) => failed.abort(why),
      lanes: one.lanes ?? 3,
      leastShareBytes: LARGE_BYTES / 4,
      stagingKey: STAGING_KEY,
      keepOwner: one.from !== null && one.to !== null,
      resume: one.wishes?.skipSame ?? true,
      onProblem: () => {},
      onLoss: (error: ForgeError) => void losses.push(error),
    };
    const survey = await surveyDestination(context, plan);
    const outcome = await runCopy(context, { plan, survey, verify: one.verify ?? 'full' });
    return {
      plan,
      outcome,
      problems: outcome.problems.map(
        ({ path, problem }) => `${toText(path)} ${problem.kind}${problem.detail === null ? '' : ` ${problem.detail}`}`,
      ),
      mismatches: outcome.mismatches.map(({ path, what }) => `${toText(path)} ${what}`),
      losses,
      movedBytes: outcome.movedBytes,
    };
  } finally {
    for (const pool of pools) pool.close();
  }
}
