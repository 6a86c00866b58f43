import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, scaledClock } from '../../src/clock.ts';
import type { Machine, MachineSpec } from '../../src/sandbox/machine/contract.ts';
import { type Sandbox, startSandbox } from '../../src/sandbox/sandbox.ts';
import { VastClient } from '../../src/vast/client.ts';
import { createVast, type Vast } from '../../src/vast/vast.ts';

/** The sandbox's API with machines that are directories and run nothing. */
export class FileSandbox {
  readonly directory = mkdtempSync(join(tmpdir(), 'forgectl copies '));
  clock!: Clock;
  vast!: Vast;
  private sandbox!: Sandbox;

  async start(timeScale: number): Promise<this> {
    const openMachine = (spec: MachineSpec): Machine => machineOf(spec);
    this.sandbox = await startSandbox({ stateDir: this.directory, openMachine, timeScale, seed: 7 });
    const wallMs = Date.now();
    this.clock = scaledClock(timeScale, { wallMs, shownMs: wallMs });
    const { url: baseUrl, apiKey } = this.sandbox;
    const client = new VastClient({ baseUrl, apiKey: () => apiKey, clock: this.clock, userAgent: 'test' });
    this.vast = createVast(client, this.clock);
    return this;
  }

  async rent(): Promise<number> {
    const [offer] = await this.vast.offers.search({
      filters: {},
      order: [['dph_total', 'asc']],
      limit: 1,
      type: 'on-demand',
      allocatedStorageGb: 10,
    });
    if (offer === undefined) throw new Error('no offer');
    const { contractId } = await this.vast.instances.create({
      offerId: offer.id,
      label: 'files',
      image: 'vastai/forge:x',
      diskGb: 10,
      env: {},
      runtype: 'ssh_direct',
      onstart: 'entrypoint.sh',
    });
    for (;;) {
      await this.clock.sleep(5000);
      if ((await this.vast.instances.get(contractId))?.actualStatus === 'running') return contractId;
    }
  }

  path(id: number, ...names: string[]): string {
    return join(this.directory, 'machines', String(id), 'root', ...names);
  }

  /** Calls as any client would make them; refused ones too. */
  async call(method: string, path: string, body?: unknown): Promise<{ status: number; body: Record<string, unknown> }> {
    for (;;) {
      const answer = await fetch(`${this.sandbox.url}${path}`, {
        method,
        headers: { authorization: `Bearer ${this.sandbox.apiKey}`, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await answer.text();
      if (answer.status !== 429) return { status: answer.status, body: JSON.parse(text) as Record<string, unknown> };
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  async fault(fault: Record<string, unknown>): Promise<void> {
    await this.call('PUT', '/sandbox/faults/', fault);
  }

  async close(): Promise<void> {
    await this.vast.close();
    await this.sandbox.close();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function machineOf(spec: MachineSpec): Machine {
  const filesRoot = join(spec.directory, 'root');
  const addresses = { host: '127.0.0.1', sshPort: 1, proxyPort: 1, published: {} };
  const come = async () => addresses;
  const nothing = async (): Promise<void> => {};
  return {
    spec,
    filesRoot,
    create: async () => void mkdirSync(join(filesRoot, 'workspace'), { recursive: true }),
    start: come,
    reboot: come,
    recycle: come,
    stop: nothing,
    destroy: async () => rmSync(spec.directory, { recursive: true, force: true }),
    setAuthorizedKeys: nothing,
    consoleLog: async () => '',
    execute: async () => null,
    diskUsageBytes: async () => 0,
  };
}
