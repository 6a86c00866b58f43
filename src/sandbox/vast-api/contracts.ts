import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Machine, OpenMachine } from '../machine/contract.js';
import type { Contract, World } from '../world.js';
import { bill, billFirstBoot, billVolumes } from './billing.js';
import type { FaultList } from './faults.js';
import { splitEnv } from './launch-fields.js';
import type { Market } from './market.js';

/** Simulated milliseconds. A pull takes 25 to 90 s, by the host's line. */
const CREATED_MS = 3_000;
const PULL_MBIT = 30_000;
const MAKING_IS_TOLD_AFTER_MS = 60_000;

export interface NewContract {
  offerId: number;
  label: string | null;
  image: string;
  runtype: string;
  onstart: string;
  env: Record<string, string>;
  template: Record<string, unknown> | null;
  diskGb: number;
  bidPrice: number | null;
  start: boolean;
}

/** Contracts and their machines: what a host does by itself as time passes, and what it is told to do. */
export class Contracts {
  private readonly machines = new Map<number, Machine>();
  /** One change of a machine at a time. */
  private readonly work = new Map<number, Promise<void>>();
  /** Since when a machine is being made, simulated milliseconds. That takes real time, much of it on a busy computer. */
  private readonly making = new Map<number, number>();
  private readonly deps: {
    world: World;
    market: Market;
    faults: FaultList;
    openMachine: OpenMachine;
    stateDir: string;
    sandboxUrl: () => string;
    log: (line: string) => void;
  };

  constructor(deps: Contracts['deps']) {
    this.deps = deps;
  }

  create(order: NewContract): Contract {
    const { world, market } = this.deps;
    const { row } = market.ask(order.offerId) ?? {};
    if (row === undefined) throw new Error(`no offer ${order.offerId}`);
    const now = world.now();
    world.state.nextContractId += 7;
    const contract: Contract = {
      id: world.state.nextContractId,
      offerId: order.offerId,
      machineId: row.machine_id,
      label: order.label,
      image: order.image,
      runtype: order.runtype,
      onstart: order.onstart,
      env: order.env,
      templateId: (order.template?.['id'] as number | undefined) ?? null,
      templateHashId: (order.template?.['hash_id'] as string | undefined) ?? null,
      templateName: (order.template?.['name'] as string | undefined) ?? null,
      diskGb: order.diskGb,
      isBid: order.bidPrice !== null,
      bidPrice: order.bidPrice,
      rivalUsd: null,
      outbid: order.bidPrice !== null && order.bidPrice < row.min_bid,
      gpuPerHourUsd: order.bidPrice ?? row.dph_base,
      storageCostPerGbMonth: row.storage_cost,
      createdMs: now,
      endMs: now + Number(row['duration']) * 1000,
      startedMs: now,
      intended: order.start ? 'running' : 'stopped',
      phase: order.start ? 'created' : 'exited',
      phaseUntilMs: order.start ? now + CREATED_MS : null,
      statusMsg: null,
      destroyedMs: null,
      // Account keys of the moment of renting go into the container; later ones do not (docs: connect/ssh guide).
      keys: world.state.sshKeys.map(({ id, publicKey }) => ({ id, publicKey })),
      jupyterToken: randomBytes(32).toString('hex'),
      apiKey: randomBytes(32).toString('hex'),
      addresses: null,
    };
    world.state.contracts.push(contract);
    world.save();
    return contract;
  }

  /** Called a few times a second: bills, and moves every contract along. */
  tick(): void {
    const { world } = this.deps;
    const now = world.now();
    billVolumes(world, now);
    for (const contract of world.living()) {
      bill(world, contract, now);
      if (contract.phaseUntilMs !== null && now >= contract.phaseUntilMs) this.phaseEnded(contract, now);
      this.tellOfMaking(contract, now);
      if (now > contract.endMs && contract.intended === 'running') this.stop(contract);
    }
    if (world.state.user.creditUsd <= 0)
      for (const contract of world.living()) if (contract.intended === 'running') this.stop(contract);
  }

  start(contract: Contract): void {
    if (contract.phase === 'running' && contract.intended === 'running') return;
    contract.outbid = this.isTooLow(contract);
    if (contract.outbid) {
      this.deps.world.save();
      return;
    }
    contract.intended = 'running';
    this.setPhase(contract, 'loading', 4_000, 'starting');
  }

  stop(contract: Contract): void {
    contract.outbid = false;
    contract.intended = 'stopped';
    this.later(contract, async () => {
      await this.machine(contract).stop();
      if (contract.intended === 'stopped') this.setPhase(contract, 'exited', null, null);
    });
  }

  /** A changed bid, of its owner or of somebody else, decides who has the machine. */
  setBids(contract: Contract, bids: { own?: number; rival?: number | null }): void {
    const { world } = this.deps;
    bill(world, contract, world.now());
    if (bids.rival !== undefined) contract.rivalUsd = bids.rival;
    if (bids.own !== undefined) {
      contract.bidPrice = bids.own;
      contract.gpuPerHourUsd = bids.own;
    }
    if (contract.outbid && !this.isTooLow(contract)) this.start(contract);
    else if (contract.intended === 'running' && this.isTooLow(contract)) {
      this.stop(contract);
      contract.outbid = true;
    }
    world.save();
  }

  private isTooLow(contract: Contract): boolean {
    return contract.bidPrice !== null && contract.bidPrice < this.deps.market.leastBid(contract);
  }

  reboot(contract: Contract): void {
    this.setPhase(contract, 'rebooting', null, null);
    this.later(contract, async () => this.nowRunning(contract, await this.machine(contract).reboot()));
  }

  recycle(contract: Contract): void {
    this.setPhase(contract, 'recycling', null, 'pulling image');
    this.later(contract, async () => this.nowRunning(contract, await this.machine(contract).recycle()));
  }

  /** Gone from the lists at once; its processes and directory go in the background. */
  destroy(contract: Contract): void {
    const { world } = this.deps;
    bill(world, contract, world.now());
    contract.destroyedMs = world.now();
    world.save();
    this.later(contract, () => this.machine(contract).destroy());
  }

  setKeys(contract: Contract): void {
    this.deps.world.save();
    if (contract.phase === 'running') this.later(contract, () => this.passKeys(contract));
  }

  machine(contract: Contract): Machine {
    const known = this.machines.get(contract.id);
    if (known !== undefined) return known;
    const machine = this.deps.openMachine(this.specOf(contract), (line) => this.deps.log(`[${contract.id}] ${line}`));
    this.machines.set(contract.id, machine);
    return machine;
  }

  /** After a restart of the sandbox: what ran, runs again. */
  async resume(): Promise<void> {
    for (const contract of this.deps.world.living()) {
      if (['running', 'rebooting', 'recycling'].includes(contract.phase))
        this.later(contract, async () => this.nowRunning(contract, await this.machine(contract).start()));
    }
    await this.settled();
  }

  /** Ends every machine's processes; directories and contracts stay. */
  async close(): Promise<void> {
    await this.settled();
    await Promise.all([...this.machines.values()].map((machine) => machine.stop()));
  }

  async settled(): Promise<void> {
    await Promise.all(this.work.values());
  }

  private phaseEnded(contract: Contract, now: number): void {
    if (contract.phase === 'created') {
      const line = Number(this.deps.market.ask(contract.offerId)?.row['inet_down'] ?? 500);
      const pullMs = Math.min(90_000, Math.max(25_000, (PULL_MBIT / line) * 1000));
      if (this.deps.faults.applies('stuck-loading', contract))
        this.setPhase(contract, 'loading', null, 'Pulling fs layer');
      else
        this.setPhase(contract, 'loading', pullMs, `${contract.image}: Pulling from ${contract.image.split(':')[0]}`);
      return;
    }
    contract.phaseUntilMs = null;
    if (contract.phase !== 'loading') return;
    const fatal = this.deps.faults.fatalStatus(contract);
    if (fatal !== null) {
      contract.statusMsg = fatal.message;
      if (fatal.phase !== null) this.setPhase(contract, fatal.phase, null, fatal.message);
      return;
    }
    contract.startedMs = now;
    this.making.set(contract.id, now);
    this.later(contract, async () => {
      const machine = this.machine(contract);
      if (!(await this.exists(contract))) {
        await machine.create();
        const perGbUsd = this.deps.market.ask(contract.offerId)?.row['inet_down_cost'];
        billFirstBoot(this.deps.world, contract, Number(perGbUsd ?? 0));
      }
      this.nowRunning(contract, await machine.start());
    });
  }

  /** As a host's docker does: its words move while it works. */
  private tellOfMaking(contract: Contract, now: number): void {
    const since = this.making.get(contract.id);
    if (since === undefined) return;
    if (contract.phase !== 'loading') this.making.delete(contract.id);
    else if (now - since > MAKING_IS_TOLD_AFTER_MS)
      contract.statusMsg = `${contract.image}: Extracting, ${Math.round((now - since) / 1000)} s`;
  }

  private async exists(contract: Contract): Promise<boolean> {
    const { access } = await import('node:fs/promises');
    return access(join(this.directoryOf(contract), 'root')).then(
      () => true,
      () => false,
    );
  }

  private nowRunning(contract: Contract, addresses: Contract['addresses']): void {
    if (contract.destroyedMs !== null) return;
    contract.addresses = addresses;
    contract.startedMs = this.deps.world.now();
    if (contract.intended === 'stopped') {
      this.stop(contract);
      return;
    }
    this.setPhase(contract, 'running', null, `success, running ${contract.image}`);
    this.later(contract, () => this.passKeys(contract));
  }

  private passKeys(contract: Contract): Promise<void> {
    const account = this.deps.world.state.sshKeys.map((key) => key.publicKey);
    const own = this.deps.faults.applies('key-not-applied', contract) ? [] : contract.keys.map((key) => key.publicKey);
    return this.machine(contract).setAuthorizedKeys(own, account);
  }

  private setPhase(
    contract: Contract,
    phase: Contract['phase'],
    lastsMs: number | null,
    statusMsg: string | null,
  ): void {
    const { world } = this.deps;
    bill(world, contract, world.now());
    contract.phase = phase;
    contract.phaseUntilMs = lastsMs === null ? null : world.now() + lastsMs;
    contract.statusMsg = statusMsg;
    world.save();
  }

  private later(contract: Contract, job: () => Promise<void>): void {
    const before = this.work.get(contract.id) ?? Promise.resolve();
    const after = before.then(job).catch((error: Error) => {
      this.deps.log(`[${contract.id}] ${error.stack ?? error.message}`);
      if (contract.destroyedMs === null)
        this.setPhase(contract, 'exited', null, `Error response from daemon: ${error.message}`);
    });
    this.work.set(contract.id, after);
  }

  private directoryOf(contract: Contract): string {
    return join(this.deps.stateDir, 'machines', String(contract.id));
  }

  private specOf(contract: Contract): Parameters<OpenMachine>[0] {
    const { variables, ports } = splitEnv(contract.env);
    const row = this.deps.market.ask(contract.offerId)?.row;
    return {
      id: contract.id,
      directory: this.directoryOf(contract),
      image: contract.image,
      runtype: contract.runtype,
      env: { ...this.deps.world.state.secrets, ...variables },
      ports,
      onstart: contract.onstart,
      gpu: {
        name: String(row?.['gpu_name']),
        count: Number(row?.num_gpus ?? 1),
        ramMb: Number(row?.['gpu_ram'] ?? 0),
        driver: String(row?.['driver_version']),
      },
      diskGb: contract.diskGb,
      authorizedKeys: contract.keys.map((key) => key.publicKey),
      jupyterToken: contract.jupyterToken,
      instanceApiKey: contract.apiKey,
      sandboxUrl: this.deps.sandboxUrl(),
      timeScale: this.deps.world.timeScale,
      showsForeignHostKey: this.deps.faults.applies('foreign-host-key', contract) !== null,
    };
  }
}
