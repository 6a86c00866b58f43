import { setMaxListeners } from 'node:events';
import { systemClock } from '../clock.js';
import type { Instance } from '../vast/model.js';
import type { ConnectionPool } from '../workflows/copy/connection-pool.js';
import type { MachineSession } from '../workflows/machine-session.js';
import { ListedSide, type ListedTree, listStopped } from '../workflows/migrate/listed-side.js';
import type { Wishes } from '../workflows/migrate/plan.js';
import type { OpenPass } from '../workflows/migrate/work.js';
import type { ForgeContext } from './context.js';
import { type OpenEnds, openEnd, openPool } from './copy-ends.js';
import { createProgressTeller } from './copy-progress.js';
import { transferContext } from './copy-transfer.js';
import { nameOf } from './select-instances.js';
import { openSession } from './upgrade-access.js';

/** Two machines for the time of a command: a session for scripts, and connections for files, each. */
export interface Machines<Source extends MachineSession | null = MachineSession> {
  source: Source;
  destination: MachineSession;
  pools: Map<number, ConnectionPool>;
  /** What the platform lists of a source that does not run, once asked; null for one that is logged in to. */
  listed: (() => Promise<ListedTree>) | null;
}

export async function openMachines(
  context: ForgeContext,
  [source, destination]: readonly [Instance, Instance],
  { sshKey, isStopped }: { sshKey: string | null; isStopped: boolean },
): Promise<Machines> {
  const { destination: to, pools } = await openWithoutSource(context, destination, sshKey);
  // The same instance may be both: it is only looked at then.
  if (source !== destination) pools.set(source.id, await openPool(context, source, sshKey));
  const listed = isStopped ? await listingOf(context, source) : null;
  return { source: await openSession(context, source, sshKey), destination: to, pools, listed };
}

/** For a run whose source is gone. */
export async function openWithoutSource(
  context: ForgeContext,
  destination: Instance,
  sshKey: string | null,
): Promise<Machines<null>> {
  const pools = new Map([[destination.id, await openPool(context, destination, sshKey)]]);
  return { source: null, destination: await openSession(context, destination, sshKey), pools, listed: null };
}

/** As the image has it, unless the machine was made with another (instance.md 1). */
const WORKSPACE = '/workspace';

async function listingOf(context: ForgeContext, source: Instance): Promise<() => Promise<ListedTree>> {
  const { instances } = await context.vast();
  const own = source.extraEnv.find(([name]) => name === 'WORKSPACE')?.[1] ?? '';
  const directory = /^\/[\w./-]+$/u.test(own) && !own.includes('..') ? own : WORKSPACE;
  let listed: Promise<ListedTree> | null = null;
  return () => {
    listed ??= listStopped((command) => instances.look(source.id, command), { id: source.id, directory });
    return listed;
  };
}

export function closeMachines({ source, destination, pools }: Machines<MachineSession | null>): void {
  source?.close();
  destination.close();
  for (const pool of pools.values()) pool.close();
}

interface PassRequest {
  machines: Machines;
  wishes: Pick<Wishes, 'bwlimit' | 'parallel' | 'stallMs' | 'sshKey'>;
  events: boolean;
  title: string;
}

/** Both ends for one pass: what fails in one must not be in the way of the next, so only the connections are the same. */
export async function openPass(context: ForgeContext, request: PassRequest): Promise<OpenPass> {
  const { machines, wishes, events, title } = request;
  const over = new AbortController();
  const signal = AbortSignal.any([context.interruption.signal, over.signal]);
  setMaxListeners(0, signal);
  const stop = (why: unknown): void => over.abort(why);
  const close = (): void => stop(new Error('the pass is over'));
  const open = ({ instance }: MachineSession) =>
    openEnd(machines.pools.get(instance.id) as ConnectionPool, instance, { stallMs: wishes.stallMs, signal });
  const { listed, source, destination } = machines;
  try {
    const [from, to] = await Promise.all([listed === null ? open(source) : null, open(destination)]);
    const side = from?.side ?? new ListedSide(nameOf(source.instance), await (listed as () => Promise<ListedTree>)());
    const sides = { source: side, destination: to.side };
    const ways = from === null ? [to] : [from, to];
    const ends: OpenEnds = { ...sides, onOneSide: false, trafficUsdPerGb: null, ways, close };
    const reporter = await context.stageReporter(systemClock);
    const teller = createProgressTeller(reporter, { events, title });
    const { bwlimit, parallel } = wishes;
    const { stateDir } = context.paths;
    return {
      ...sides,
      sourceRunner: from?.runner ?? null,
      destinationRunner: to.runner,
      context: (bytes) =>
        transferContext({ ends, bytes, bwlimit, parallel, resume: true, stateDir, signal, stop }, reporter, teller),
      onDetail: (text) => reporter.event('transport', { message: text }),
      end: (isDone) => (isDone ? teller.done() : teller.failed()),
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
}
