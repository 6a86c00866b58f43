import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type {
  HostCopy,
  Machine,
  MachineAddresses,
  MachineSpec,
  OpenMachine,
} from '../../src/sandbox/machine/contract.ts';
import { GATEWAY } from './addresses.ts';
import { DelayProxy } from './delay-proxy.ts';
import { LabHost } from './host.ts';

export interface LabMachinesOptions {
  /** A line in front of every machine: what the API publishes leads through it. Left out: the machines' own addresses. */
  line?: { oneWayMs?: number; bytesPerSecond?: number };
  diskBytes?: number;
  /** A reboot gives a machine another address, and other ports with `line`. */
  movesAtReboot?: boolean;
}

/** The lab as the machines of a sandbox: give `open` to startSandbox. */
export class LabMachines {
  private readonly machines = new Map<number, LabMachine>();
  private readonly options: LabMachinesOptions;
  private internet: Promise<DelayProxy> | null = null;

  constructor(options: LabMachinesOptions = {}) {
    this.options = options;
  }

  readonly open: OpenMachine = (spec) => {
    const machine = new LabMachine(spec, this.options, () => this.reach(spec.sandboxUrl));
    this.machines.set(spec.id, machine);
    return machine;
  };

  of(id: number): LabMachine {
    const machine = this.machines.get(id);
    if (machine === undefined) throw new Error(`the lab has no machine for contract ${id}`);
    return machine;
  }

  /** Everything of theirs goes, disks too. */
  async remove(): Promise<void> {
    await Promise.all([...this.machines.values()].map((machine) => machine.destroy()));
    await (await this.internet)?.close();
  }

  /** The sandbox listens on loopback, which machines do not share. */
  private async reach(sandboxUrl: string): Promise<string> {
    const { hostname, port } = new URL(sandboxUrl);
    this.internet ??= DelayProxy.open({ host: hostname, port: Number(port), listenHost: GATEWAY });
    return `http://${GATEWAY}:${(await this.internet).port}`;
  }
}

class LabMachine implements Machine {
  readonly spec: MachineSpec;
  /** Container port -> its line; empty without `line`. The way of the provider's proxy is under 0. */
  readonly lines = new Map<number, DelayProxy>();
  private readonly options: LabMachinesOptions;
  private readonly internet: () => Promise<string>;
  private made: LabHost | null = null;

  constructor(spec: MachineSpec, options: LabMachinesOptions, internet: () => Promise<string>) {
    this.spec = spec;
    this.options = options;
    this.internet = internet;
  }

  get host(): LabHost {
    if (this.made === null) throw new Error(`the machine of contract ${this.spec.id} was never started`);
    return this.made;
  }

  /** The line to sshd. */
  get line(): DelayProxy {
    const line = this.lines.get(22);
    if (line === undefined) throw new Error('this lab has no lines: ask for them in its options');
    return line;
  }

  async create(): Promise<void> {
    await (await this.prepared()).create();
    // By this the sandbox knows that there is something to start.
    await mkdir(join(this.spec.directory, 'root'), { recursive: true });
  }

  async start(): Promise<MachineAddresses> {
    const host = await (await this.prepared()).start();
    return this.addresses(host);
  }

  async stop(): Promise<void> {
    await this.made?.stop();
  }

  async reboot(): Promise<MachineAddresses> {
    const newAddress = this.options.movesAtReboot === true;
    if (newAddress) await this.closeLines();
    return this.addresses(await this.host.reboot({ newAddress }));
  }

  async recycle(): Promise<MachineAddresses> {
    await this.closeLines();
    return this.addresses(await this.host.recycle());
  }

  async destroy(): Promise<void> {
    await this.closeLines();
    await this.made?.remove();
    await rm(this.spec.directory, { recursive: true, force: true });
  }

  async setAuthorizedKeys(instanceKeys: string[], accountKeys: string[]): Promise<void> {
    this.host.setAuthorizedKeys(instanceKeys, accountKeys);
  }

  async consoleLog(): Promise<string> {
    return this.made?.consoleLog() ?? '';
  }

  /** Only what the platform allows: ls, du and rm, without a shell. */
  async execute(command: string, prefix: string): Promise<string | null> {
    const [program = '', ...words] = command.trim().split(/\s+/u);
    if (!['ls', 'du', 'rm'].includes(program) || words.some((word) => word.includes('..'))) return null;
    const { stdout, stderr } = await this.host.execAnyway([program, ...words]);
    return `${stdout}${stderr}`.replace(/(^|[\s'])(?=\/)/gmu, (before) => `${before}${prefix}`);
  }

  /** Between the hosts' disks, past any line: a full disk, or a machine that goes away, ends it in the middle. */
  async copyInto(other: Machine, copy: HostCopy): Promise<void> {
    if (!(other instanceof LabMachine)) throw new Error('the other machine is not of this lab');
    const { sourcePath, destinationPath, bytesPerS, signal, onTotal, onBytes } = copy;
    const isContents = sourcePath.endsWith('/');
    const [directory, name] = isContents ? [sourcePath, '.'] : [dirname(sourcePath), basename(sourcePath)];
    onTotal(Number((await this.host.exec(`du -sb -- "$(cat)" | cut -f 1`, { input: sourcePath })).stdout));
    const start = (words: string[], stdio: StdioOptions): ChildProcess => {
      const child = spawn(words[0] as string, words.slice(1), { stdio });
      children.push(
        once(child, 'close').then(([code]) => code === 0 || Promise.reject(new Error(`tar: exit ${code}`))),
      );
      signal.addEventListener('abort', () => child.kill('SIGKILL'), { once: true });
      return child;
    };
    const children: Promise<unknown>[] = [];
    const unpack = 'mkdir -p -- "$1" && tar -C "$1" -xpf - --same-owner';
    const reader = start(
      [...this.host.insideWords, 'tar', '--format=posix', '-C', directory, '-cf', '-', '--', name],
      ['ignore', 'pipe', 'ignore'],
    );
    const writer = start(
      [...other.host.insideWords, 'bash', '-c', unpack, 'unpack', destinationPath],
      ['pipe', 'ignore', 'ignore'],
    );
    const paced = async function* (chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
      for await (const chunk of chunks) {
        yield chunk;
        onBytes(chunk.length);
        await delay((chunk.length / bytesPerS) * 1000, undefined, { signal });
      }
    };
    const moved = pipeline(reader.stdout as Readable, paced, writer.stdin as Writable);
    const failed = (await Promise.allSettled([moved, ...children])).find(({ status }) => status === 'rejected');
    if (failed?.status === 'rejected') throw failed.reason;
  }

  diskUsageBytes(): Promise<number> {
    return this.host.disk.usedBytes();
  }

  private async prepared(): Promise<LabHost> {
    const { spec, options } = this;
    this.made ??= new LabHost({
      id: spec.id,
      name: `contract-${spec.id}-${createHash('sha256').update(spec.directory).digest('hex').slice(0, 8)}`,
      keys: spec.authorizedKeys,
      env: spec.env,
      ports: spec.ports,
      runtype: spec.runtype,
      onstart: spec.onstart,
      timeScale: spec.timeScale,
      sandboxUrl: await this.internet(),
      token: spec.jupyterToken,
      apiKey: spec.instanceApiKey,
      gpuCount: spec.gpu.count,
      keep: true,
      ...(options.diskBytes === undefined ? {} : { diskBytes: options.diskBytes }),
    });
    return this.made;
  }

  private async addresses(host: LabHost): Promise<MachineAddresses> {
    const { address, sshPort, proxyPort, published } = host;
    if (this.options.line === undefined) return { host: address, sshPort, proxyPort, published };
    const through: Record<number, number> = {};
    for (const [inside, outside] of Object.entries({ ...published, 0: proxyPort })) {
      const line =
        this.lines.get(Number(inside)) ??
        (await DelayProxy.open({ host: address, port: outside, listenHost: GATEWAY, ...this.options.line }));
      line.aimAt(address, outside);
      this.lines.set(Number(inside), line);
      through[Number(inside)] = line.port;
    }
    const { 0: proxy, ...ports } = through;
    return { host: GATEWAY, sshPort: ports[22] as number, proxyPort: proxy as number, published: ports };
  }

  private async closeLines(): Promise<void> {
    await Promise.all([...this.lines.values()].map((line) => line.close()));
    this.lines.clear();
  }
}
