import { EXIT, ForgeError } from '../errors.js';
import { type BytePath, fromText } from '../instance/files/byte-path.js';
import { PLACES_SCRIPT, parsePlaces } from '../instance/files/places-script.js';
import { keepYoungSpaceSmall } from '../ssh/garbage.js';
import type { Instance } from '../vast/model.js';
import { connectInstance } from '../workflows/connect-instance.js';
import { ConnectionPool, NoWay } from '../workflows/copy/connection-pool.js';
import { LocalSide } from '../workflows/copy/local-side.js';
import { RemoteRunner } from '../workflows/copy/remote-runner.js';
import { RemoteSide } from '../workflows/copy/remote-side.js';
import type { Side } from '../workflows/copy/side.js';
import type { ForgeContext } from './context.js';
import { connectDependencies } from './instance-link.js';
import { nameOf, selectInstances } from './select-instances.js';

/** A word that names a place: on an instance, or here. */
export interface TypedPlace {
  /** Null here; empty for the only instance that there is. */
  instance: string | null;
  path: BytePath;
}

/** INSTANCE:PATH is on an instance, unless a slash comes before the colon: ./a:b is a file here. */
export function parsePlace(word: string): TypedPlace {
  const at = word.indexOf(':');
  if (word === '') throw usage('A place to copy from or to is empty.', 'Write . for the current directory.');
  if (at === -1 || word.slice(0, at).includes('/')) return { instance: null, path: fromText(word) };
  return { instance: word.slice(0, at), path: fromText(word.slice(at + 1)) };
}

export interface TypedEnds {
  sources: BytePath[];
  from: string | null;
  destination: BytePath;
  to: string | null;
}

export function parseEnds(words: readonly string[]): TypedEnds {
  const places = words.map(parsePlace);
  const destination = places.pop();
  const [first] = places;
  if (destination === undefined || first === undefined)
    throw usage('A source and a destination are needed.', 'forgectl cp model.safetensors my-forge:models/');
  if (places.some(({ instance }) => instance !== first.instance))
    throw usage('The sources are in different places.', 'Copy from one place at a time.');
  if (first.instance === null && destination.instance === null)
    throw usage('Neither end is on an instance.', 'An end on an instance is INSTANCE:PATH, e.g. my-forge:outputs');
  return {
    sources: places.map(({ path }) => path),
    from: first.instance,
    destination: destination.path,
    to: destination.instance,
  };
}

export interface OpenEnds {
  source: Side;
  destination: Side;
  onOneSide: boolean;
  /** What the hosts take for traffic, $/GB; null when one of them does not say. */
  trafficUsdPerGb: number | null;
  /** How long the shortest answer took, and room for more connections; of the ends on instances. */
  ways: { runner: RemoteRunner; pool: ConnectionPool }[];
  close(): void;
}

export interface EndOptions {
  sshKey: string | null;
  stallMs: number;
  signal: AbortSignal;
}

/** Logs in to what was named. */
export async function openEnds(context: ForgeContext, typed: TypedEnds, options: EndOptions): Promise<OpenEnds> {
  const all = await (await context.vast()).instances.list();
  const select = (name: string): Instance => {
    const names = name === '' ? [] : [name];
    return selectInstances(all, { names, selfId: context.selfId })[0] as Instance;
  };
  const pools: ConnectionPool[] = [];
  const machines = new Map<number, Promise<RemoteEnd>>();
  const open = (name: string | null): Promise<RemoteEnd> | null => {
    if (name === null) return null;
    const instance = select(name);
    const known = machines.get(instance.id) ?? openMachine(context, instance, { ...options, pools });
    machines.set(instance.id, known);
    return known;
  };
  const close = (): void => {
    for (const pool of pools) pool.close();
  };
  try {
    const [from, to] = await Promise.all([open(typed.from), open(typed.to)]);
    const local = new LocalSide(process.cwd());
    const ways = [...new Set([from, to])].filter((end) => end !== null);
    const onOneSide = from === to;
    const prices = [from?.instance.inetUpCostPerGb ?? null, to?.instance.inetDownCostPerGb ?? null];
    const isKnown = (from === null || prices[0] !== null) && (to === null || prices[1] !== null);
    const trafficUsdPerGb = isKnown ? (prices[0] ?? 0) + (prices[1] ?? 0) : null;
    return { source: from?.side ?? local, destination: to?.side ?? local, onOneSide, trafficUsdPerGb, ways, close };
  } catch (error) {
    close();
    throw error;
  }
}

export interface RemoteEnd {
  instance: Instance;
  side: RemoteSide;
  runner: RemoteRunner;
  pool: ConnectionPool;
}

const PATIENCE_MS = 60_000;

/** The keys are chosen once; the address is read anew when a connection was lost. */
export async function openPool(
  context: ForgeContext,
  instance: Instance,
  sshKey: string | null,
): Promise<ConnectionPool> {
  const deps = await connectDependencies(context, sshKey);
  let known: Instance | undefined = instance;
  return new ConnectionPool(async () => {
    const link = await connectInstance(deps, {
      instanceId: instance.id,
      ...(known === undefined ? {} : { known }),
      patienceMs: PATIENCE_MS,
      onRetry: (error, inMs) =>
        context.reporter.info(`${error.message} Trying again in ${Math.round(inMs / 100) / 10} s …`),
    });
    link.connection.onClose(() => {
      known = undefined;
    });
    return link.connection;
  });
}

export async function openMachine(
  context: ForgeContext,
  instance: Instance,
  options: EndOptions & { pools: ConnectionPool[] },
): Promise<RemoteEnd> {
  const pool = await openPool(context, instance, options.sshKey);
  options.pools.push(pool);
  return openEnd(pool, instance, options);
}

/** Over whatever connections the pool has; what runs there ends with the signal. */
export async function openEnd(
  pool: ConnectionPool,
  instance: Instance,
  options: Pick<EndOptions, 'stallMs' | 'signal'>,
): Promise<RemoteEnd> {
  keepYoungSpaceSmall();
  const runner = new RemoteRunner(pool, options);
  const name = nameOf(instance);
  try {
    const { output } = await runner.ask({ script: PLACES_SCRIPT, words: [] });
    return { instance, side: new RemoteSide(name, runner, parsePlaces(output.toString('utf8'), name)), runner, pool };
  } catch (error) {
    throw error instanceof NoWay ? error.cause : error;
  }
}

function usage(message: string, hint: string): ForgeError {
  return new ForgeError(message, { code: 'USAGE', exit: EXIT.usage, hint });
}
