import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { OpenMachine } from './machine/contract.js';
import { beginOf, lockState } from './state-lock.js';
import type { Route } from './vast-api/answers.js';
import { Contracts } from './vast-api/contracts.js';
import { Copies } from './vast-api/copies.js';
import { FaultList } from './vast-api/faults.js';
import { createApiServer } from './vast-api/http-server.js';
import { Market } from './vast-api/market.js';
import { accountRoutes } from './vast-api/routes-account.js';
import { billingRoutes } from './vast-api/routes-billing.js';
import { copyRoutes } from './vast-api/routes-copies.js';
import { instanceRoutes } from './vast-api/routes-instances.js';
import { jobRoutes, runDueJobs } from './vast-api/routes-jobs.js';
import { machineRoutes } from './vast-api/routes-machine.js';
import { offerRoutes } from './vast-api/routes-offers.js';
import { sandboxRoutes } from './vast-api/routes-sandbox.js';
import { volumeRoutes } from './vast-api/routes-volumes.js';
import { seedTemplates } from './vast-api/templates.js';
import { letTimePass } from './vast-api/time-lapse.js';
import { World } from './world.js';

export interface SandboxOptions {
  stateDir: string;
  openMachine: OpenMachine;
  /** Left out: the port of the last time when it is free, else any. */
  port?: number;
  timeScale: number;
  seed: number;
  /** What works less well on this computer, a sentence each. */
  limits?: readonly string[];
  log?: (line: string) => void;
}

export interface Sandbox {
  url: string;
  port: number;
  apiKey: string;
  timeScale: number;
  seed: number;
  limits: readonly string[];
  close(): Promise<void>;
}

const TICK_MS = 40;

/** Starts the API and the machines that ran last time. Throws when another process serves the same directory. */
export async function startSandbox(options: SandboxOptions): Promise<Sandbox> {
  const { stateDir } = options;
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  const unlock = lockState(stateDir);
  if (unlock === null) throw Object.assign(new Error(`A sandbox serves ${stateDir} already.`), { code: 'SERVED' });
  try {
    const sandbox = await serve(options);
    return { ...sandbox, close: () => sandbox.close().finally(unlock) };
  } catch (error) {
    unlock();
    throw error;
  }
}

async function serve(options: SandboxOptions): Promise<Sandbox> {
  const { stateDir, timeScale, seed, limits = [], log = () => {} } = options;
  const file = join(stateDir, 'sandbox.json');
  const former = readFormer(file);
  const world = new World(stateDir, timeScale, seed);
  if (world.state.templates.length === 0) world.state.templates = seedTemplates();
  const market = new Market(world);
  const faults = new FaultList(world);
  let url = '';
  const contracts = new Contracts({
    world,
    market,
    faults,
    openMachine: options.openMachine,
    stateDir,
    sandboxUrl: () => url,
    log,
  });
  /** Other processes follow the clock by what is written in the file. */
  const advance = async (ms: number): Promise<void> => {
    await letTimePass({ world, contracts }, ms);
    writeAbout(file, { ...(readFormer(file) ?? {}), clock: world.clockAnchor() });
  };
  const copies = new Copies({ world, market, faults, contracts, log });
  const routes = allRoutes({ world, market, contracts, copies, faults, stateDir, url: () => url, advance });
  const server = createApiServer({ world, faults, routes, log });
  const port = await listen(server, options.port, former?.port ?? 0);
  url = `http://127.0.0.1:${port}`;
  await contracts.resume();
  world.save();
  const ticker = setInterval(() => {
    contracts.tick();
    runDueJobs(world, contracts);
  }, TICK_MS);
  writeAbout(file, {
    version: 1,
    pid: process.pid,
    begin: beginOf(process.pid),
    port,
    url,
    api_key: world.state.apiKey,
    time_scale: timeScale,
    seed: world.state.seed,
    limits,
    started_at: new Date().toISOString(),
    clock: world.clockAnchor(),
  });
  return {
    url,
    port,
    apiKey: world.state.apiKey,
    timeScale,
    seed: world.state.seed,
    limits,
    close: async () => {
      clearInterval(ticker);
      server.close();
      server.closeAllConnections();
      await copies.close();
      await contracts.close();
      world.save();
      // The port is kept for the next start; a pid of 0 is nobody's.
      writeFileSync(file, `${JSON.stringify({ version: 1, pid: 0, port, seed: world.state.seed })}\n`, { mode: 0o600 });
    },
  };
}

function allRoutes(parts: {
  world: World;
  market: Market;
  contracts: Contracts;
  copies: Copies;
  faults: FaultList;
  stateDir: string;
  url: () => string;
  advance: (ms: number) => Promise<void>;
}): Route[] {
  const { world, market } = parts;
  return [
    ...offerRoutes(parts),
    ...instanceRoutes(parts),
    ...machineRoutes(parts),
    ...copyRoutes(parts),
    ...volumeRoutes(world, market),
    ...accountRoutes(world),
    ...billingRoutes(world),
    ...jobRoutes(world),
    ...sandboxRoutes(parts),
  ];
}

function writeAbout(file: string, about: object): void {
  writeFileSync(`${file}.draft`, `${JSON.stringify(about, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${file}.draft`, file);
}

function listen(
  server: ReturnType<typeof createApiServer>,
  wanted: number | undefined,
  former: number,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const attempt = (port: number, onTaken: (error: Error) => void): void => {
      server.once('error', onTaken);
      server.listen(port, '127.0.0.1', () => {
        server.off('error', onTaken);
        resolve((server.address() as AddressInfo).port);
      });
    };
    if (wanted !== undefined) attempt(wanted, reject);
    else attempt(former, () => attempt(0, reject));
  });
}

function readFormer(file: string): { pid: number; port: number } | null {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as { pid: number; port: number };
  } catch {
    return null;
  }
}
