import { join } from 'node:path';
import type { Clock } from '../clock.js';
import { scaledClock, systemClock } from '../clock.js';
import type { Contexts } from '../config/contexts.js';
import { loadContexts } from '../config/contexts.js';
import { type Paths, resolvePaths } from '../config/paths.js';
import { loadSettings, type Settings } from '../config/settings.js';
import { EXIT, ForgeError } from '../errors.js';
import { HostKeys } from '../ssh/host-keys.js';
import type { Identity } from '../ssh/identity.js';
import { createPrompts, type Prompts } from '../ui/prompts.js';
import type { Reporter } from '../ui/reporter.js';
import type { TableColumn } from '../ui/table.js';
import { describeTerminal, type Terminal } from '../ui/terminal.js';
import type { Instance, User } from '../vast/model.js';
import type { Vast } from '../vast/vast.js';
import { AvoidedHosts } from '../workflows/avoided-hosts.js';
import { Journal } from '../workflows/journal.js';
import { OwnStops } from '../workflows/own-stops.js';
import type { PowerDependencies } from '../workflows/power.js';
import type { ReadinessDependencies } from '../workflows/readiness/await-readiness.js';
import { type Account, openAccount } from './account.js';
import { tellCutOffRuns } from './cut-off-runs.js';
import { type Interruption, listenForInterruption } from './interruption.js';
import { powerDependencies, readinessDependencies } from './machine-access.js';
import { createReporter, createStageReporter } from './reporting.js';
import { readSandboxFile } from './sandbox-file.js';
import { startSandboxProcess } from './sandbox-process.js';

export interface ContextOptions {
  /** Null: the current one. */
  contextName: string | null;
  json: boolean;
  events: boolean;
  quiet: boolean;
  debug: boolean;
  version: string;
  /** Runs that were cut off are told of; not by the commands that are about them. */
  tellsCutOffRuns: boolean;
}

/** Collaborators of a command, each made when it is first used. One per process. */
export class ForgeContext {
  readonly paths: Paths;
  readonly terminal: Terminal;
  private readonly options: ContextOptions;
  private openSettings: Settings | null = null;
  private openContexts: Contexts | null = null;
  private openReporter: Reporter | null = null;
  private openClock: Clock | null = null;
  private account: Promise<Account> | null = null;
  private listening: Interruption | null = null;
  private openHostKeys: HostKeys | null = null;

  constructor(options: ContextOptions) {
    this.options = options;
    this.paths = resolvePaths(process.env);
    this.terminal = describeTerminal({
      stdin: process.stdin,
      stdout: process.stdout,
      stderr: process.stderr,
      env: process.env,
    });
  }

  get settings(): Settings {
    this.openSettings ??= loadSettings({ paths: this.paths, env: process.env });
    return this.openSettings;
  }

  get contexts(): Contexts {
    this.openContexts ??= loadContexts({ paths: this.paths, env: process.env });
    return this.openContexts;
  }

  get name(): string {
    return this.options.contextName ?? this.contexts.currentName;
  }

  get apiUrl(): string | null {
    return this.contexts.usableUrl(this.name);
  }

  get version(): string {
    return this.options.version;
  }

  get debug(): boolean {
    return this.options.debug;
  }

  /** In the sandbox time runs faster; deadlines, pacing and elapsed times follow it. */
  get clock(): Clock {
    this.openClock ??= this.name === 'sandbox' ? sandboxClock(this.paths.sandboxDir) : systemClock;
    return this.openClock;
  }

  get reporter(): Reporter {
    this.openReporter ??= createReporter({ ...this.options, terminal: this.terminal, clock: this.clock });
    return this.openReporter;
  }

  /** Like `reporter`, with a spinner where there is a terminal. Work that takes real time tells it by the wall clock. */
  async stageReporter(clock: Clock = this.clock): Promise<Reporter> {
    this.openReporter = await createStageReporter({ ...this.options, terminal: this.terminal, clock });
    return this.openReporter;
  }

  get prompts(): Prompts {
    return createPrompts();
  }

  /** CONTAINER_ID when forgectl runs inside an instance. */
  get selfId(): number | null {
    const id = process.env['CONTAINER_ID'] ?? '';
    return /^\d+$/u.test(id) ? Number(id) : null;
  }

  /** What this context's runs have written down. */
  get journal(): Journal {
    return new Journal({ stateDir: this.paths.stateDir, context: this.name, clock: this.clock });
  }

  /** Machines of this context that are not rented for a while. */
  get avoidedHosts(): AvoidedHosts {
    return new AvoidedHosts(join(this.paths.stateDir, 'hosts', `${this.name}.json`), this.clock);
  }

  /** Which machines of this context forgectl itself has stopped. */
  get ownStops(): OwnStops {
    return new OwnStops(join(this.paths.stateDir, 'stops', `${this.name}.json`), this.clock);
  }

  /** Host keys are pinned per context and contract: two endpoints may use the same ids. In wall time, as logins are. */
  get hostKeys(): HostKeys {
    this.openHostKeys ??= new HostKeys(join(this.paths.stateDir, 'host-keys', this.name));
    return this.openHostKeys;
  }

  get interruption(): Interruption {
    this.listening ??= listenForInterruption();
    return this.listening;
  }

  /** The API, signed in. In the sandbox context this starts the sandbox when it is not running. */
  async vast(): Promise<Vast> {
    return (await this.openAccount()).vast;
  }

  async credentialSource(): Promise<string | null> {
    const { describeCredential } = await import('./account.js');
    return describeCredential(this);
  }

  /** Who the key belongs to; throws when the API refuses it. */
  async checkKey(key: string): Promise<User> {
    const { userOfKey } = await import('./account.js');
    return userOfKey(this, key);
  }

  async saveKey(key: string): Promise<string> {
    const { saveCredential } = await import('../config/credentials.js');
    return saveCredential(this.paths, this.name, key);
  }

  async savedKeyFile(): Promise<string | null> {
    const { savedCredentialFile } = await import('../config/credentials.js');
    return savedCredentialFile(this.paths, this.name);
  }

  async deleteKey(): Promise<string | null> {
    const { deleteCredential } = await import('../config/credentials.js');
    return deleteCredential(this.paths, this.name);
  }

  /** The key to log in with: the user's file when named, else the first that is found or forgectl's own. */
  async identity(file: string | null): Promise<Identity> {
    const { chooseIdentity } = await import('./machine-access.js');
    return chooseIdentity(this, file);
  }

  async readiness(): Promise<ReadinessDependencies> {
    const { chooseIdentities } = await import('./machine-access.js');
    return readinessDependencies(this, await chooseIdentities(this, this.settings.get('ssh_key')));
  }

  async power(): Promise<PowerDependencies> {
    return powerDependencies(this);
  }

  async table<Row>(rows: readonly Row[], columns: readonly TableColumn<Row>[]): Promise<string> {
    const { renderTable } = await import('../ui/table.js');
    return renderTable(rows, columns, this.terminal);
  }

  async keyValues(lines: readonly [string, string][]): Promise<string> {
    const { renderKeyValues } = await import('../ui/describe.js');
    return renderKeyValues(lines, this.terminal);
  }

  async openBrowser(instance: Instance): Promise<void> {
    const { openInBrowser } = await import('./browser.js');
    await openInBrowser(instance, this.reporter);
  }

  async untilInterrupted(): Promise<void> {
    const { signal } = this.interruption;
    if (signal.aborted) return;
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  }

  async close(): Promise<void> {
    this.listening?.release();
    const account = await this.account?.catch(() => null);
    await account?.close();
  }

  private openAccount(): Promise<Account> {
    this.account ??= this.makeAccount();
    return this.account;
  }

  private async makeAccount(): Promise<Account> {
    if (this.name === 'sandbox') {
      const { running, started } = await startSandboxProcess(this.paths.sandboxDir);
      if (started) for (const limit of running.limits) this.reporter.warn(limit);
    }
    const account = await openAccount(this);
    if (this.options.tellsCutOffRuns) tellCutOffRuns(this.journal, this.reporter, this.clock);
    return account;
  }
}

export function openContext(options: ContextOptions): ForgeContext {
  return new ForgeContext(options);
}

function sandboxClock(sandboxDir: string): Clock {
  const running = readSandboxFile(sandboxDir);
  if (running === null) {
    throw new ForgeError('The sandbox does not run.', {
      code: 'SANDBOX_NOT_RUNNING',
      exit: EXIT.notReady,
      hint: 'forgectl sandbox start',
    });
  }
  return scaledClock(running.time_scale, { wallMs: running.clock.wall_ms, shownMs: running.clock.sim_ms });
}
