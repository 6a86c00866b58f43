import { ForgeError } from '../errors.js';
import { runScript } from '../instance/remote-script.js';
import type { Connection } from '../ssh/connection.js';
import type { Instance } from '../vast/model.js';
import { type ConnectDependencies, connectInstance } from './connect-instance.js';

export interface SessionOptions {
  /** How long a lost connection is tried again, wall time, ms. */
  patienceMs?: number;
  /** Told when the connection is lost and tried again. */
  onRetry?: (error: ForgeError) => void;
}

export interface ScriptResult {
  output: string;
  stderr: string;
  exitCode: number;
}

/** What a run puts around each of its scripts. `check` throws when the machine did not let it through. */
export interface ScriptGuard {
  wrap(work: string): string;
  check(result: ScriptResult): void;
}

/** A reboot, a sleeping laptop and a network that comes back are all shorter than this. */
const PATIENCE_MS = 10 * 60_000;
const SCRIPT_LIMIT_MS = 120_000;

/** One machine for the time of a workflow: connected when needed, and again, wherever it is then, after a loss. */
export class MachineSession {
  instance: Instance;
  guard: ScriptGuard | null = null;
  /** How long a lost connection is tried again, wall time. */
  patienceMs: number;
  private readonly deps: ConnectDependencies;
  private readonly options: SessionOptions;
  private open: Connection | null = null;
  private opening: Promise<Connection> | null = null;
  private isKnown = true;

  constructor(deps: ConnectDependencies, instance: Instance, options: SessionOptions = {}) {
    this.deps = deps;
    this.instance = instance;
    this.options = options;
    this.patienceMs = options.patienceMs ?? PATIENCE_MS;
  }

  get id(): number {
    return this.instance.id;
  }

  get signal(): AbortSignal {
    return this.deps.signal;
  }

  /** An open connection. Each loss is tried again for the session's patience. */
  async connection(): Promise<Connection> {
    if (this.open?.isOpen()) return this.open;
    // Who asks at the same time waits for the same one.
    this.opening ??= this.connect().finally(() => {
      this.opening = null;
    });
    return this.opening;
  }

  private async connect(): Promise<Connection> {
    this.open?.close();
    const { onRetry } = this.options;
    const link = await connectInstance(this.deps, {
      instanceId: this.instance.id,
      ...(this.isKnown ? { known: this.instance } : {}),
      patienceMs: this.patienceMs,
      ...(onRetry === undefined ? {} : { onRetry: (error: ForgeError) => onRetry(error) }),
    });
    this.isKnown = false;
    this.instance = link.instance;
    this.open = link.connection;
    return link.connection;
  }

  /** Runs a script as a service would see the machine. It must be harmless twice: after a cut it is sent again. */
  async run(work: string, limitMs = SCRIPT_LIMIT_MS): Promise<ScriptResult> {
    for (let cuts = 0; ; cuts += 1) {
      const connection = await this.connection();
      const { guard } = this;
      try {
        const options = { timeoutMs: limitMs, signal: this.deps.signal };
        const result = await runScript(connection, guard?.wrap(work) ?? work, options);
        guard?.check(result);
        return result;
      } catch (error) {
        if (!isCut(error) || cuts >= (error.code === 'SSH_COMMAND_TIMEOUT' ? STALLS_AT_MOST : CUTS_AT_MOST))
          throw error;
        this.options.onRetry?.(error);
        this.open?.close();
      }
    }
  }

  close(): void {
    this.open?.close();
    this.open = null;
  }
}

const CUTS_AT_MOST = 20;
/** A script that never answers hangs on the machine more often than on the way. */
const STALLS_AT_MOST = 2;
const CUT_CODES = new Set(['SSH_LOST', 'SSH_CHANNEL_REFUSED', 'SSH_COMMAND_TIMEOUT']);

function isCut(error: unknown): error is ForgeError {
  return error instanceof ForgeError && CUT_CODES.has(error.code);
}
