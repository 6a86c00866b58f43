import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { MachineAddresses } from './machine/contract.js';

type Phase = 'created' | 'loading' | 'running' | 'exited' | 'offline' | 'rebooting' | 'recycling' | 'scheduling';

/** One contract, also after its end: the list of all is the ledger. Times are sandbox milliseconds since the epoch. */
export interface Contract {
  id: number;
  offerId: number;
  machineId: number;
  label: string | null;
  image: string;
  runtype: string;
  onstart: string;
  env: Record<string, string>;
  templateId: number | null;
  templateHashId: string | null;
  templateName: string | null;
  diskGb: number;
  isBid: boolean;
  bidPrice: number | null;
  /** What somebody else bids for the machine, $/hour. */
  rivalUsd: number | null;
  /** Stopped by a higher bid, and started again when its own is the highest. */
  outbid: boolean;
  gpuPerHourUsd: number;
  storageCostPerGbMonth: number;
  createdMs: number;
  endMs: number;
  /** Start of the present run. */
  startedMs: number;
  intended: 'running' | 'stopped';
  phase: Phase;
  /** When the phase ends by itself; null when it does not. */
  phaseUntilMs: number | null;
  statusMsg: string | null;
  destroyedMs: number | null;
  keys: { id: number; publicKey: string }[];
  jupyterToken: string;
  apiKey: string;
  addresses: MachineAddresses | null;
}

/** What one contract or volume was charged, also after its end. */
export interface LedgerAccount {
  type: 'instance' | 'volume';
  id: number;
  label: string | null;
  templateId: number | null;
  /** Time is charged up to here. */
  billedUntilMs: number;
  /** UTC day (its first millisecond) -> kind -> $ */
  days: Record<string, Record<ChargeKind, number>>;
}

/** As the API names them: traffic down and up. */
export type ChargeKind = 'gpu' | 'disk' | 'bwd' | 'bwu';

/** A call that the platform makes for the user, at the full hours that its calendar names (UTC, 0 is Sunday). */
export interface ScheduledJob {
  id: number;
  instanceId: number;
  startMs: number;
  endMs: number | null;
  frequency: string;
  day: number | null;
  hour: number | null;
  method: string;
  path: string;
  body: Record<string, unknown>;
  /** Hours up to here have been looked at. */
  seenMs: number;
  lastRunMs: number | null;
}

/** What a test has made a host ask instead of what the catalog says. */
export interface AskChange {
  /** $/hour without storage. */
  dph_base?: number;
  listed?: boolean;
}

export interface WorldState {
  version: 1;
  seed: number;
  apiKey: string;
  simMs: number;
  user: { id: number; email: string; creditUsd: number };
  nextContractId: number;
  nextId: number;
  contracts: Contract[];
  sshKeys: { id: number; publicKey: string; createdMs: number }[];
  templates: Record<string, unknown>[];
  secrets: Record<string, string>;
  apiKeys: { id: number; name: string; key: string; permissions: { api: Record<string, unknown> } }[];
  jobs: ScheduledJob[];
  /** "instance-123" -> account */
  ledger: Record<string, LedgerAccount>;
  /** As the API shows them. */
  volumes: {
    id: number;
    label: string | null;
    status: string;
    disk_space: number;
    storage_cost: number;
    machine_id: number;
    start_date: number;
  }[];
  faults: Record<string, unknown>[];
  /** By offer id. */
  asks: Record<string, AskChange>;
}

const START_CREDIT_USD = 25;

/** The sandbox's memory and its time. Time passes only while the sandbox runs, or the credit would be gone overnight. */
export class World {
  readonly state: WorldState;
  readonly timeScale: number;
  private readonly file: string;
  private readonly bootWallMs: number;
  private bootSimMs: number;

  constructor(stateDir: string, timeScale: number, seed: number) {
    mkdirSync(stateDir, { recursive: true, mode: 0o700 });
    this.file = join(stateDir, 'world.json');
    this.state = newState(seed);
    // An older sandbox had fewer kinds of things.
    if (existsSync(this.file)) Object.assign(this.state, JSON.parse(readFileSync(this.file, 'utf8')));
    this.timeScale = timeScale;
    this.bootWallMs = Date.now();
    this.bootSimMs = this.state.simMs;
  }

  /** Sandbox time, milliseconds since the epoch. */
  now(): number {
    return this.bootSimMs + (Date.now() - this.bootWallMs) * this.timeScale;
  }

  /** Moves the clock forward. */
  advance(ms: number): void {
    this.bootSimMs += ms;
  }

  /** For sandbox.json: how a client's clock can follow this one. */
  clockAnchor(): { sim_ms: number; wall_ms: number } {
    return { sim_ms: this.bootSimMs, wall_ms: this.bootWallMs };
  }

  newId(): number {
    this.state.nextId += 1;
    return this.state.nextId;
  }

  living(): Contract[] {
    return this.state.contracts.filter((contract) => contract.destroyedMs === null);
  }

  find(id: number): Contract | undefined {
    return this.state.contracts.find((contract) => contract.id === id && contract.destroyedMs === null);
  }

  /** Written and flushed before an answer goes out, so that a kill -9 loses nothing that a client was told. */
  save(): void {
    this.state.simMs = this.now();
    const draft = `${this.file}.draft`;
    const handle = openSync(draft, 'w', 0o600);
    writeSync(handle, JSON.stringify(this.state));
    fsyncSync(handle);
    closeSync(handle);
    renameSync(draft, this.file);
  }
}

function newState(seed: number): WorldState {
  return {
    version: 1,
    seed,
    apiKey: randomBytes(32).toString('hex'),
    simMs: Date.now(),
    user: { id: 424242, email: 'you@sandbox.invalid', creditUsd: START_CREDIT_USD },
    nextContractId: 20_000_000 + (seed % 1000) * 10,
    nextId: 1000,
    contracts: [],
    sshKeys: [],
    templates: [],
    secrets: {},
    apiKeys: [],
    jobs: [],
    ledger: {},
    volumes: [],
    faults: [],
    asks: {},
  };
}
