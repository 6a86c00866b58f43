import { execFile, spawn } from 'node:child_process';
import { createWriteStream, existsSync, openSync, readFileSync } from 'node:fs';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import ssh2 from 'ssh2';
import { limitsOf, provePorts } from './computer.js';
import type { Machine, MachineAddresses, MachineSpec, OpenMachine } from './contract.js';
import { dropImage, type Image, imageBelow } from './image/build-image.js';
import { fetchFromSharedRemote } from './image/shared-remote.js';
import { ProcessGroups } from './process-groups.js';
import { type ForcedCommand, MachineSshServer, readForcedCommands } from './ssh-server.js';
import type { SessionEnvironment } from './ssh-session.js';
import { PublishedPorts } from './virtual-ports.js';

const run = promisify(execFile);
const LONGEST_ANSWER_BYTES = 512 * 1024 * 1024;
/** For what a machine runs to end by itself, before it is killed. Forge alone may take 10 s by its supervisor's rules. */
const STOP_GRACE_MS = 4_000;

class DirectoryMachine implements Machine {
  readonly spec: MachineSpec;
  private readonly root: string;
  private readonly log: (line: string) => void;
  private readonly processes = new ProcessGroups();
  private readonly ports = new PublishedPorts();
  private servers: MachineSshServer[] = [];
  private instanceKeys: string[];
  private accountKeys: string[] = [];

  constructor(spec: MachineSpec, log: (line: string) => void) {
    this.spec = spec;
    this.root = join(spec.directory, 'root');
    this.log = log;
    this.instanceKeys = [...spec.authorizedKeys];
  }

  get filesRoot(): string {
    return this.root;
  }

  async create(): Promise<void> {
    const image = await this.image();
    await mkdir(this.spec.directory, { recursive: true, mode: 0o700 });
    await rm(this.root, { recursive: true, force: true });
    await cp(image.root, this.root, { recursive: true, verbatimSymlinks: true, mode: 2 });
    await fetchFromSharedRemote({ image: image.root, machines: dirname(this.spec.directory), root: this.root });
    if (this.spec.runtype.includes('jupyter'))
      await writeFile(join(this.root, '.launch'), '#!/bin/bash\njupyter notebook\n');
    await this.makeHostKey();
  }

  async start(): Promise<MachineAddresses> {
    const { python } = (await this.image()).tools;
    await rm(join(this.root, 'run'), { recursive: true, force: true });
    await mkdir(join(this.root, 'run', 'ports'), { recursive: true });
    const published = await this.ports.open(
      this.root,
      this.spec.ports.filter((port) => port !== 22),
      this.spec.jupyterToken,
    );
    const session: SessionEnvironment = {
      root: this.root,
      home: join(this.root, 'root'),
      python,
      env: this.loginEnvironment(python),
      processes: this.processes,
    };
    const hostKey = this.spec.showsForeignHostKey
      ? generateKeyPair('stranger').private
      : await readFile(this.hostKeyFile(), 'utf8');
    // A refused proxy login with an instance key alone is what the platform does; account keys open only the proxy.
    const forcedCommands = (): ForcedCommand[] => readForcedCommands(this.keyFileText());
    const direct = new MachineSshServer({ hostKey, authorizedKeys: () => this.instanceKeys, forcedCommands, session });
    const proxy = new MachineSshServer({
      hostKey,
      authorizedKeys: () => [...this.accountKeys, ...this.instanceKeys],
      session,
    });
    this.servers = [direct, proxy];
    const [sshPort, proxyPort] = await Promise.all([direct.listen(), proxy.listen()]);
    this.boot(python, { ...published, 22: sshPort });
    return { host: '127.0.0.1', sshPort, proxyPort, published: { ...published, 22: sshPort } };
  }

  async stop(): Promise<void> {
    for (const server of this.servers.splice(0)) server.close();
    this.ports.close();
    await this.processes.endAll(STOP_GRACE_MS);
    await rm(join(this.root, 'run', 'ports'), { recursive: true, force: true });
  }

  async reboot(): Promise<MachineAddresses> {
    await this.stop();
    return this.start();
  }

  async recycle(): Promise<MachineAddresses> {
    await this.stop();
    await this.create();
    return this.start();
  }

  async destroy(): Promise<void> {
    await this.stop();
    await rm(this.spec.directory, { recursive: true, force: true });
  }

  cutConnections(): void {
    for (const server of this.servers) server.cut();
  }

  async setAuthorizedKeys(instanceKeys: string[], accountKeys: string[]): Promise<void> {
    this.instanceKeys = [...instanceKeys];
    this.accountKeys = [...accountKeys];
    const file = join(this.root, 'root', '.ssh', 'authorized_keys');
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    await writeFile(file, instanceKeys.map((key) => `${key}\n`).join(''), { mode: 0o600 });
  }

  consoleLog(): Promise<string> {
    return readFile(this.consoleFile(), 'utf8').catch(() => '');
  }

  /** Only what the platform allows: ls, du and rm, without a shell. */
  async execute(command: string, prefix: string): Promise<string | null> {
    const [program = '', ...words] = command.trim().split(/\s+/u);
    if (!['ls', 'du', 'rm'].includes(program) || words.some((word) => word.includes('..'))) return null;
    const real = words.map((word) => (word.startsWith('-') ? word : join(this.root, word)));
    const { stdout } = await run(program, real, { cwd: this.root, maxBuffer: LONGEST_ANSWER_BYTES }).catch(
      (error: { stdout?: string; stderr?: string }) => ({ stdout: `${error.stdout ?? ''}${error.stderr ?? ''}` }),
    );
    // The names that were asked for carry the prefix; what a link says is its own.
    const lines = stdout.split('\n');
    return lines.map((line) => (line.includes(' -> ') ? line : line.replaceAll(this.root, prefix))).join('\n');
  }

  async diskUsageBytes(): Promise<number> {
    const { stdout } = await run('du', ['-sk', this.root]);
    return Number(stdout.split('\t')[0]) * 1024;
  }

  /** Runs onstart as the platform does: in the ssh and jupyter modes it replaces the image's entry point. */
  private boot(python: string, published: Record<number, number>): void {
    const console = openSync(this.consoleFile(), 'a', 0o600);
    const child = spawn('bash', ['-c', this.spec.runtype === 'args' ? 'entrypoint.sh' : this.spec.onstart], {
      cwd: join(this.root, 'root'),
      env: {
        ...this.containerEnvironment(published),
        ...this.loginEnvironment(python),
        ONSTART_LOG: this.spec.runtype === 'args' ? '' : join(this.root, 'var/log/onstart.log'),
      },
      detached: true,
      // The fourth is a leash: the supervisor ends the machine when this process is gone and the pipe closes.
      stdio: ['ignore', console, console, 'pipe'],
    });
    child.once('error', (error) => this.log(error.message));
    this.processes.add(child);
  }

  /** What sshd gives a session: no variables of the container (traps 19). */
  private loginEnvironment(python: string): Record<string, string> {
    const { timeScale, sandboxUrl } = this.spec;
    const bins = ['opt/instance-tools/bin', 'usr/local/bin'].map((path) => join(this.root, path));
    return {
      HOME: join(this.root, 'root'),
      USER: 'root',
      LOGNAME: 'root',
      SHELL: '/bin/bash',
      LANG: 'C.UTF-8',
      PATH: [...bins, process.env['PATH'] ?? '/usr/bin:/bin'].join(':'),
      FORGECTL_ROOT: this.root,
      SANDBOX_TIME_SCALE: String(timeScale),
      SANDBOX_URL: sandboxUrl,
      SANDBOX_PYTHON: python,
      PYTHONUNBUFFERED: '1',
    };
  }

  private containerEnvironment(published: Record<number, number>): Record<string, string> {
    const { id, env, jupyterToken, instanceApiKey, gpu } = this.spec;
    const workspace = join(this.root, 'workspace');
    return {
      ...env,
      // The template says /workspace/; here that lies below the root.
      WORKSPACE: workspace,
      DATA_DIRECTORY: `${workspace}/`,
      CONTAINER_ID: String(id),
      VAST_CONTAINERLABEL: `C.${id}`,
      CONTAINER_API_KEY: instanceApiKey,
      PUBLIC_IPADDR: '127.0.0.1',
      JUPYTER_TOKEN: jupyterToken,
      OPEN_BUTTON_TOKEN: jupyterToken,
      GPU_COUNT: String(gpu.count),
      ...Object.fromEntries(
        Object.entries(published).map(([inside, outside]) => [`VAST_TCP_PORT_${inside}`, String(outside)]),
      ),
    };
  }

  private image(): Promise<Image> {
    return imageBelow(imagesFor(dirname(this.spec.directory)));
  }

  private keyFileText(): string {
    try {
      return readFileSync(join(this.root, 'root', '.ssh', 'authorized_keys'), 'utf8');
    } catch {
      return '';
    }
  }

  private hostKeyFile(): string {
    return join(this.spec.directory, 'host_key');
  }

  private consoleFile(): string {
    return join(this.spec.directory, 'console.log');
  }

  private async makeHostKey(): Promise<void> {
    const made = generateKeyPair(`C.${this.spec.id}`);
    await writeFile(this.hostKeyFile(), made.private, { mode: 0o600 });
    // The private half stays outside of what a login can read.
    await mkdir(join(this.root, 'etc', 'ssh'), { recursive: true });
    await writeFile(join(this.root, 'etc', 'ssh', 'ssh_host_ed25519_key.pub'), `${made.public}\n`);
    if (!existsSync(this.consoleFile())) createWriteStream(this.consoleFile(), { mode: 0o600 }).end();
  }
}

/** Tests build it once for all their sandboxes. */
function imagesFor(machines: string): string {
  return process.env['FORGECTL_SANDBOX_IMAGES'] ?? machines;
}

/**
 * Makes the image that the machines below `machines` will be copies of, and proves that they can run on this computer, so
 * that a launch does not find out. An image that was there and does not run is made anew. Returns what works less well here, a sentence each. Throws CannotRunHere.
 */
export async function prepareMachines(machines: string, signal: AbortSignal): Promise<string[]> {
  const images = imagesFor(machines);
  const image = await imageBelow(images, signal);
  try {
    await provePorts(image.root, image.tools, signal);
  } catch {
    signal.throwIfAborted();
    await dropImage(images, image);
    const { root, tools } = await imageBelow(images, signal);
    await provePorts(root, tools, signal);
  }
  return limitsOf(image.tools);
}

/** A machine whose directory may exist already. */
export const openMachine: OpenMachine = (spec, log) => new DirectoryMachine(spec, log);

/** Again when ssh2 made a pair that nobody can read, which happens to one in 128 (mscdex/ssh2 issue 1513). */
function generateKeyPair(comment: string): { private: string; public: string } {
  for (;;) {
    const made = ssh2.utils.generateKeyPairSync('ed25519', { comment });
    const parsed = [ssh2.utils.parseKey(made.private), ssh2.utils.parseKey(made.public)];
    if (parsed.every((key) => !(key instanceof Error))) return made;
  }
}
