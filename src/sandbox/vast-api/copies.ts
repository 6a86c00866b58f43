import type { HostCopy, Machine } from '../machine/contract.js';
import { copyFiles } from '../machine/copy-files.js';
import type { Contract, World } from '../world.js';
import { billTraffic } from './billing.js';
import type { Contracts } from './contracts.js';
import type { FaultList } from './faults.js';
import type { Market } from './market.js';

/** The status bar shows what was so long ago (vast-api 9.1); simulated. */
const LATE_MS = 30_000;
/** The last that was said of a copy goes away by itself, whatever became of the copy. */
const SHOWN_AFTER_MS = 90_000;
const TELL_EVERY_MS = 4_000;
const START_MS = 3_000;
/** Between two containers of one machine. */
const SAME_MACHINE_MBIT = 20_000;
/** Of the sandbox's own disk, wall time. */
const MOST_BYTES_PER_S = 400e6;

interface Copy {
  source: Contract;
  destination: Contract;
  stopped: AbortController;
  told: { atMs: number; text: string }[];
  movedBytes: number;
  totalBytes: number;
  ended: Promise<void>;
}

interface Deps {
  world: World;
  market: Market;
  faults: FaultList;
  contracts: Contracts;
  log: (line: string) => void;
}

/** Copies between instances, as the host's daemons make them: nobody hears of an end, and few of a failure. */
export class Copies {
  private readonly deps: Deps;
  private copies: Copy[] = [];
  /** Whose login directory was copied over: no later copy can log in there (docs: yaml/copy). */
  private readonly lockedOut = new Set<number>();

  constructor(deps: Deps) {
    this.deps = deps;
  }

  start(source: Contract, destination: Contract, paths: { source: string; destination: string }): void {
    const copy: Copy = {
      source,
      destination,
      stopped: new AbortController(),
      told: [],
      movedBytes: 0,
      totalBytes: 0,
      ended: Promise.resolve(),
    };
    this.copies.push(copy);
    copy.ended = this.run(copy, paths).catch((error: Error) => {
      this.deps.log(`copy from ${source.id} to ${destination.id} ended: ${error.message}`);
    });
  }

  /** Every copy into this instance. */
  cancel(destination: Contract): void {
    for (const copy of this.copies) if (copy.destination === destination) copy.stopped.abort(new Error('cancelled'));
  }

  /** What the status bar of an instance says of its copies; null when that is nothing. */
  statusOf(contract: Contract): string | null {
    const shownMs = this.deps.world.now() - LATE_MS;
    const told = this.copies
      .filter(({ source, destination }) => source === contract || destination === contract)
      .flatMap((copy) => copy.told.filter(({ atMs }) => atMs <= shownMs && atMs > shownMs - SHOWN_AFTER_MS));
    return told.sort((one, other) => one.atMs - other.atMs).at(-1)?.text ?? null;
  }

  async close(): Promise<void> {
    for (const { stopped } of this.copies) stopped.abort(new Error('the sandbox ends'));
    await Promise.all(this.copies.map(({ ended }) => ended));
  }

  private async run(copy: Copy, paths: { source: string; destination: string }): Promise<void> {
    const { world } = this.deps;
    const { source, destination, stopped } = copy;
    const [from, to] = [source, destination].map((contract) => this.deps.contracts.machine(contract)) as [
      Machine,
      Machine,
    ];
    if (this.lockedOut.has(source.id) || this.lockedOut.has(destination.id)) throw new Error('Permission denied');
    if (/^\/*(?:root)?\/*$/u.test(paths.destination)) this.lockedOut.add(destination.id);
    await pause(START_MS / world.timeScale, stopped.signal);
    const trouble = this.troubleOf(copy);
    const telling = setInterval(() => this.tell(copy), TELL_EVERY_MS / world.timeScale);
    try {
      await copyBetween(from, to, {
        sourcePath: paths.source,
        destinationPath: paths.destination,
        bytesPerS: this.bytesPerS(copy),
        signal: AbortSignal.any([stopped.signal, trouble.signal]),
        onTotal: (bytes) => {
          copy.totalBytes = bytes;
        },
        onBytes: (bytes) => {
          copy.movedBytes += bytes;
          trouble.onBytes();
        },
      });
      this.tell(copy);
    } catch (error) {
      if (trouble.hangs()) await untilAborted(stopped.signal);
      throw error;
    } finally {
      clearInterval(telling);
      this.bill(copy);
    }
  }

  /** Faults strike in the middle, or at the first byte of a copy that has none. */
  private troubleOf(copy: Copy): { signal: AbortSignal; onBytes: () => void; hangs: () => boolean } {
    const { faults } = this.deps;
    const struck = new AbortController();
    const hangs = faults.applies('copy-hangs', copy.destination) !== null;
    const fails = faults.applies('copy-fails', copy.destination) !== null;
    const onBytes = (): void => {
      if ((hangs || fails) && copy.movedBytes >= copy.totalBytes / 2) struck.abort(new Error('the line broke'));
    };
    return { signal: struck.signal, onBytes, hangs: () => hangs && struck.signal.aborted };
  }

  /** In wall time: the sandbox's line is as much faster as its clock. */
  private bytesPerS({ source, destination }: Copy): number {
    const { market, world } = this.deps;
    const line = (contract: Contract, field: string): number =>
      Number(market.ask(contract.offerId)?.row[field] ?? 0) || 200;
    const isNear = source.machineId === destination.machineId;
    const mbit = isNear ? SAME_MACHINE_MBIT : Math.min(line(source, 'inet_up'), line(destination, 'inet_down'));
    return Math.min(MOST_BYTES_PER_S, (mbit * 1e6 * world.timeScale) / 8);
  }

  private tell(copy: Copy): void {
    const { movedBytes, totalBytes, told, source, destination } = copy;
    const percent = totalBytes === 0 ? 100 : Math.floor((movedBytes / totalBytes) * 100);
    const amount = `${movedBytes.toLocaleString('en')} ${String(percent).padStart(3)}%`;
    told.push({ atMs: this.deps.world.now(), text: `Copying C.${source.id} to C.${destination.id}: ${amount}` });
    // Only the last minutes can still be shown.
    if (told.length > 200) told.splice(0, 100);
  }

  private bill({ source, destination, movedBytes: bytes }: Copy): void {
    const { world, market } = this.deps;
    if (source.machineId === destination.machineId) return;
    const price = (contract: Contract, field: string): number => Number(market.ask(contract.offerId)?.row[field] ?? 0);
    billTraffic(world, source, { kind: 'bwu', bytes, perGbUsd: price(source, 'inet_up_cost') });
    billTraffic(world, destination, { kind: 'bwd', bytes, perGbUsd: price(destination, 'inet_down_cost') });
  }
}

async function copyBetween(from: Machine, to: Machine, copy: HostCopy): Promise<void> {
  if (from.copyInto !== undefined) return from.copyInto(to, copy);
  const { filesRoot: fromRoot } = from;
  const { filesRoot: toRoot } = to;
  if (fromRoot === undefined || toRoot === undefined) throw new Error('the files of a machine cannot be reached');
  return copyFiles({ ...copy, fromRoot, toRoot });
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    });
  });
}

function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
