import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Place, placeOf, releasePlace, removeLink, takePlace } from './addresses.ts';
import { Disk, sweepDisks } from './disk.ts';
import { DEFAULTS, type HostSettings, type LabHostOptions } from './host-options.ts';
import { HostProcess, pause, untilListens, untilSshGreets } from './host-process.ts';
import { prepareImage } from './image.ts';
import {
  containerEnvironment,
  hostname,
  type Keys,
  PROXY_PORT,
  SYSTEM_PATH,
  writeKeys,
  writePlatformFiles,
} from './platform.ts';

const ON_DISK = fileURLToPath(new URL('machine/on-disk.sh', import.meta.url));

export interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

/** A Forge machine as the image makes it: own address, disk, processes and host name; real OpenSSH and supervisord. */
export class LabHost {
  readonly settings: HostSettings;
  readonly name: string;
  readonly disk: Disk;
  private running: HostProcess | null = null;
  private keys: Keys;

  constructor(options: LabHostOptions = {}) {
    this.settings = { ...DEFAULTS, ...options };
    this.name = options.name ?? `lab-${randomBytes(6).toString('hex')}`;
    this.disk = new Disk(this.name);
    this.keys = { instance: this.settings.keys, account: [] };
  }

  /** A new one, with sshd answering. Forge answers a second or two later: see `waitForForge`. */
  static async boot(options: LabHostOptions = {}): Promise<LabHost> {
    const host = new LabHost(options);
    await host.create();
    return host.start();
  }

  /** Its address on the bridge, and the device that carries it. */
  get place(): Place {
    return placeOf(this.written().number);
  }

  get address(): string {
    return this.place.address;
  }

  /** Container port -> port on `address`. */
  get published(): Record<number, number> {
    return this.written().ports;
  }

  get sshPort(): number {
    return this.published[22] as number;
  }

  get proxyPort(): number {
    return PROXY_PORT;
  }

  get runs(): boolean {
    return this.running?.runs === true;
  }

  /** Lays out an empty disk over the image; another host key, other published ports, another address. */
  async create(): Promise<void> {
    const { diskBytes, keep, ports } = this.settings;
    await sweepDisks();
    const before = this.disk.exists() ? this.place : null;
    await this.disk.make({ bytes: diskBytes, keep });
    this.write(takePlace({ keep }).number, newPorts(ports));
    if (before !== null) releasePlace(before);
  }

  async start(): Promise<this> {
    const layer = await prepareImage();
    const { place, published, settings, disk } = this;
    const onDisk = (inside: string): string => join(disk.upper, inside);
    writePlatformFiles(onDisk, settings, place.address);
    writeKeys(onDisk, this.keys);
    await removeLink(place);
    // sshd listens on its own published port, which would be slower through another process.
    const passed = Object.entries(published).filter(([inside]) => Number(inside) !== 22 && Number(inside) < 70_000);
    this.running = await HostProcess.start({
      place,
      hostname: hostname(settings),
      mountOptions: disk.mountOptions(layer),
      folder: disk.folder,
      env: containerEnvironment(settings, place.address, published),
      published: passed.map(([inside, outside]) => `${outside}:${inside}`),
    });
    await untilSshGreets(place.address, this.sshPort);
    // They are opened in this order.
    const last = passed.at(-1);
    if (last !== undefined) await untilListens(place.address, last[1]);
    return this;
  }

  /** Ends every process; the disk stays. */
  async stop(): Promise<void> {
    await this.running?.stop();
    await this.gone();
  }

  /** No process of it gets a word in. */
  async kill(): Promise<void> {
    await this.running?.kill();
    await this.gone();
  }

  /** The same disk; on request at another address, as a host whose line was changed. */
  async reboot({ newAddress = false } = {}): Promise<this> {
    await this.stop();
    if (newAddress) {
      const { place, published } = this;
      this.write(takePlace({ keep: this.settings.keep }).number, published);
      releasePlace(place);
    }
    return this.start();
  }

  /** As new. */
  async recycle(): Promise<this> {
    await this.stop();
    await this.create();
    return this.start();
  }

  async remove(): Promise<void> {
    await this.stop();
    if (this.disk.exists()) releasePlace(this.place);
    await this.disk.remove();
  }

  /** A file of the running machine, as a path here. Links with absolute targets lead out of it: name the target itself. */
  path(inside: string): string {
    return `/proc/${this.firstProcess()}/root${inside}`;
  }

  /** For the set-up of a test: runs it as root inside, without ssh and without the container's variables. */
  exec(command: string, { input = '' }: { input?: string | Buffer } = {}): Promise<Ran> {
    return this.inside(['bash', '--noprofile', '--norc', '-c', command], input);
  }

  /** Before the words of a program: it runs inside. */
  get insideWords(): string[] {
    const target = ['--target', String(this.firstProcess()), '--mount', '--net', '--uts', '--ipc', '--pid'];
    return ['nsenter', ...target, '--root', '--wdns=/root', '--'];
  }

  /** One program, also while the machine is stopped. */
  async execAnyway(words: readonly string[]): Promise<Ran> {
    if (this.runs) return this.inside(words);
    const place = [join(this.disk.folder, 'root'), this.disk.mountOptions(await prepareImage())];
    return runProgram(['unshare', '--mount', 'bash', ON_DISK, ...place, ...words]);
  }

  /** Until the command leaves with 0. */
  async waitFor(command: string, { limitMs = 120_000 } = {}): Promise<void> {
    const limit = Date.now() + limitMs;
    let last: Ran | null = null;
    while (Date.now() < limit) {
      last = await this.exec(command);
      if (last.code === 0) return;
      await pause(100);
    }
    throw new Error(
      `never true on the machine: ${command}\n${JSON.stringify(last)}\n${this.consoleLog().slice(-2000)}`,
    );
  }

  /** Until Forge answers on its own port. */
  waitForForge(): Promise<void> {
    return this.waitFor('[ "$(curl -s -o /dev/null -w "%{http_code}" http://127.0.0.1:17860/)" = 200 ]');
  }

  setAuthorizedKeys(instance: readonly string[], account: readonly string[] = []): void {
    this.keys = { instance, account };
    if (this.runs) writeKeys((inside) => this.path(inside), this.keys);
  }

  /** What the machine's output is on the platform: of onstart, the boot, and the services. */
  consoleLog(): string {
    const file = join(this.disk.folder, 'console.log');
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  }

  private inside(words: readonly string[], input: string | Buffer = ''): Promise<Ran> {
    return runProgram([...this.insideWords, ...words], input);
  }

  private firstProcess(): number {
    if (this.running === null || !this.running.runs) throw new Error('the machine does not run');
    return this.running.initPid;
  }

  private async gone(): Promise<void> {
    this.running = null;
    if (this.disk.exists()) await removeLink(this.place);
  }

  /** Address and ports lie beside the disk: another process may go on with them. */
  private written(): { number: number; ports: Record<number, number> } {
    if (!this.disk.exists()) throw new Error('the machine has no disk: create() it');
    return JSON.parse(readFileSync(join(this.disk.folder, 'published.json'), 'utf8'));
  }

  private write(number: number, ports: Record<number, number>): void {
    writeFileSync(join(this.disk.folder, 'published.json'), JSON.stringify({ number, ports }));
  }
}

function newPorts(inside: readonly number[]): Record<number, number> {
  const base = 40_000 + (randomBytes(2).readUInt16BE() % 20_000);
  return Object.fromEntries([22, ...inside.filter((port) => port !== 22)].map((port, index) => [port, base + index]));
}

function runProgram([file = '', ...words]: readonly string[], input: string | Buffer = ''): Promise<Ran> {
  const env = { PATH: SYSTEM_PATH, HOME: '/root', LANG: 'C.UTF-8' };
  return new Promise((resolve) => {
    const child = execFile(file, words, { env, maxBuffer: 1 << 28 }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr }),
    );
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
  });
}
