import { createHash } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { join } from 'node:path';
import { EXIT, ForgeError } from '../errors.js';
import { type BytePath, fromText, toText } from '../instance/files/byte-path.js';
import type { Instance } from '../vast/model.js';
import type { ConnectionPool } from '../workflows/copy/connection-pool.js';
import { LocalSide } from '../workflows/copy/local-side.js';
import type { Side } from '../workflows/copy/side.js';
import { FileLock } from '../workflows/file-lock.js';
import { SnapshotStore } from '../workflows/snapshot/store.js';
import type { ForgeContext } from './context.js';
import { openMachine, parsePlace, type RemoteEnd, type TypedPlace } from './copy-ends.js';
import { selectInstances } from './select-instances.js';

/** A folder of snapshots as a run remembers it. */
export interface StorePlace {
  /** Null for this computer. */
  instanceId: number | null;
  path: string;
}

export interface SnapshotEnds {
  store: SnapshotStore;
  place: StorePlace;
  /** Null where no machine was asked for. */
  machine: RemoteEnd | null;
  workspace: BytePath;
  ways: RemoteEnd[];
  signal: AbortSignal;
  stop(reason: unknown): void;
  close(): void;
}

const FOLDER = 'forgectl-snapshots';
const STALL_MS = 30_000;

/** What --dir says; a folder of this user's when it says nothing. */
export function typedFolder(context: ForgeContext, word: string | null): TypedPlace {
  return word === null ? { instance: null, path: fromText(join(context.paths.home, FOLDER)) } : parsePlace(word);
}

/** The folder and, when one is given, the machine: each instance is logged in to once. */
export async function openSnapshotEnds(
  context: ForgeContext,
  folder: TypedPlace | StorePlace,
  instance: Instance | null,
): Promise<SnapshotEnds> {
  const failed = new AbortController();
  const signal = AbortSignal.any([context.interruption.signal, failed.signal]);
  setMaxListeners(0, signal);
  const pools: ConnectionPool[] = [];
  const ends = new Map<number, Promise<RemoteEnd>>();
  const open = (one: Instance): Promise<RemoteEnd> => {
    const known = ends.get(one.id) ?? openMachine(context, one, { sshKey: null, stallMs: STALL_MS, signal, pools });
    ends.set(one.id, known);
    return known;
  };
  const close = (): void => {
    for (const pool of pools) pool.close();
  };
  try {
    const host = await hostOf(context, folder);
    const machine = instance === null ? null : await open(instance);
    const side: Side = host === null ? new LocalSide(process.cwd()) : (await open(host)).side;
    const directory = await directoryOf(side, typeof folder.path === 'string' ? fromPath(folder) : folder.path);
    return {
      store: new SnapshotStore(side, directory),
      place: { instanceId: host?.id ?? null, path: toText(directory) },
      machine,
      workspace: machine === null ? ('' as BytePath) : (await machine.side.resolve('' as BytePath)).real,
      ways: await Promise.all(ends.values()),
      signal,
      stop: (reason) => failed.abort(reason),
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
}

/** A typed place has bytes, a remembered one text. */
function fromPath(folder: TypedPlace | StorePlace): BytePath {
  return 'instanceId' in folder ? fromText(folder.path) : folder.path;
}

async function hostOf(context: ForgeContext, folder: TypedPlace | StorePlace): Promise<Instance | null> {
  const name = 'instanceId' in folder ? folder.instanceId : folder.instance;
  if (name === null) return null;
  const all = await (await context.vast()).instances.list();
  const names = name === '' ? [] : [String(name)];
  return selectInstances(all, { names, selfId: context.selfId })[0] as Instance;
}

async function directoryOf(side: Side, typed: BytePath): Promise<BytePath> {
  const { real, kind } = await side.resolve(typed);
  if (kind !== 'file' && kind !== 'dangling' && !side.isTop(real)) return real;
  throw new ForgeError(`${side.show(real)} on ${side.name} cannot hold snapshots: it is no directory of its own.`, {
    code: 'USAGE',
    exit: EXIT.usage,
    hint: 'Name a directory, there or not: --dir ~/forgectl-snapshots, or INSTANCE:PATH',
  });
}

/** Two at once in one folder would take each other's parts away. */
export function lockFolder(context: ForgeContext, { store }: SnapshotEnds, what: string): FileLock {
  const key = createHash('sha256').update(`${store.side.name}\0${store.directory}`).digest('hex').slice(0, 16);
  const taken = FileLock.tryTake(join(context.paths.stateDir, 'snapshots', `${key}.lock`), what);
  if (taken instanceof FileLock) return taken;
  throw new ForgeError(`The snapshots in ${store.place} are being worked on by process ${taken.pid} (${taken.what}).`, {
    code: 'SNAPSHOTS_LOCKED',
    exit: EXIT.conflict,
    hint: 'Wait until it has ended.',
  });
}
