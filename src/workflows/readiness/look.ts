import { EXIT, ForgeError } from '../../errors.js';
import { parseReadiness, type ReadinessSnapshot, reachedRung, readinessScript } from '../../instance/readiness.js';
import type { Connection } from '../../ssh/connection.js';
import type { Instance } from '../../vast/model.js';
import { type DeadEnd, findDeadEnd } from '../instance-state.js';
import { type LoginDependencies, loginWithRepair } from '../repair-login.js';
import type { ReadinessDependencies } from './await-readiness.js';
import { type Rung, rungsUpTo } from './rungs.js';

/** One look at the machine, from the cheapest source that can answer for a rung. */
export interface Look {
  reached: boolean;
  /** For people. */
  detail: string;
  /** Whatever may show progress; the same text for a long time means a stall. */
  fingerprint: string;
}

/** Looks at one machine, and keeps what was seen last. */
export class MachineView {
  instance: Instance | null = null;
  snapshot: ReadinessSnapshot | null = null;
  via: 'direct' | 'proxy' | null = null;
  private readonly deps: ReadinessDependencies;
  private readonly instanceId: number;
  private readonly startedMs: number;
  private connection: Connection | null = null;
  private keyRepaired = false;
  private lastRowMs = Number.NEGATIVE_INFINITY;
  private silentSinceMs: number | null = null;

  constructor(deps: ReadinessDependencies, instanceId: number) {
    this.deps = deps;
    this.instanceId = instanceId;
    this.startedMs = deps.clock.now();
  }

  async look(rung: Rung): Promise<Look> {
    if (rung === 'api') return this.lookAtRow();
    // A machine can die or vanish while it provisions (a manifest may even destroy it): look at the row now and then.
    if (this.deps.clock.now() - this.lastRowMs > ROW_EVERY_MS) await this.lookAtRow();
    return rung === 'ssh' ? this.lookAtLogin() : this.lookInside(rung);
  }

  close(): void {
    this.connection?.close();
  }

  private async lookAtRow(): Promise<Look> {
    const instance = await this.readRow();
    if (instance === 'silent') return { reached: false, detail: 'the API does not answer', fingerprint: 'silent' };
    if (instance === null) throw vanished(this.instanceId);
    this.instance = instance;
    const deadEnd = findDeadEnd(instance, this.deps.isOwnStop?.(instance.id));
    if (deadEnd !== null && !this.isStillStarting(instance)) throw dead(instance, deadEnd);
    const running = instance.actualStatus === 'running' && instance.intendedStatus !== 'stopped';
    const reachable = (instance.ports?.length ?? 0) > 0 || instance.sshPort !== null;
    const detail = [instance.actualStatus ?? 'creating', instance.statusMsg ?? ''].filter(Boolean).join(': ');
    return { reached: running && reachable, detail, fingerprint: `${detail} ${instance.diskUsageGb} ${reachable}` };
  }

  /** A paid machine is not given up because the API is down for a moment. */
  private async readRow(): Promise<Instance | null | 'silent'> {
    this.lastRowMs = this.deps.clock.now();
    try {
      const row = await this.deps.readInstance(this.instanceId);
      this.silentSinceMs = null;
      return row;
    } catch (error) {
      if (!(error instanceof ForgeError) || error.exit !== EXIT.apiFailed) throw error;
      this.silentSinceMs ??= this.deps.clock.now();
      if (this.deps.clock.now() - this.silentSinceMs > API_OUTAGE_MS) throw error;
      return 'silent';
    }
  }

  /** Right after "start", the row still tells of the stopped machine for a moment. */
  private isStillStarting(instance: Instance): boolean {
    return (
      this.deps.clock.now() - this.startedMs < START_GRACE_MS &&
      instance.intendedStatus === 'running' &&
      ['exited', 'stopped'].includes(instance.actualStatus ?? '')
    );
  }

  private async lookAtLogin(): Promise<Look> {
    const instance = this.instance as Instance;
    try {
      const connection = await this.login(instance);
      this.deps.onLogin?.(instance, connection);
      return { reached: true, detail: '', fingerprint: 'in' };
    } catch (error) {
      if (!isPassing(error)) throw error;
      const row = await this.lookAtRow();
      return { reached: false, detail: error.message, fingerprint: `${error.code} ${row.fingerprint}` };
    }
  }

  private async login(instance: Instance): Promise<Connection> {
    this.connection?.close();
    this.connection = null;
    const connection = this.keyRepaired
      ? await this.deps.connect(instance)
      : (await loginWithRepair(this.repairing(), instance)).connection;
    this.connection = connection;
    this.via = connection.via;
    return connection;
  }

  /** Once a climb: the looks after it wait for the host to apply the key. */
  private repairing(): LoginDependencies {
    const { attachKey } = this.deps;
    return {
      ...this.deps,
      attachKey: async (row) => {
        await attachKey(row);
        this.keyRepaired = true;
      },
    };
  }

  private async lookInside(rung: Rung): Promise<Look> {
    try {
      const connection = this.connection?.isOpen() ? this.connection : await this.login(this.instance as Instance);
      const output = await connection.run(readinessScript(), { timeoutMs: PROBE_TIMEOUT_MS, signal: this.deps.signal });
      this.snapshot = parseReadiness(output.stdout);
    } catch (error) {
      if (!isPassing(error)) throw error;
      await this.lookAtRow();
      return { reached: false, detail: error.message, fingerprint: error.code };
    }
    const state = reachedRung(this.snapshot);
    const { forge, forgeHttpStatus, provisioning, lastLine } = this.snapshot;
    return {
      reached: rungsUpTo(state.rung).includes(rung),
      detail: state.reason,
      fingerprint: JSON.stringify([state, forge?.state, forge?.pid, forgeHttpStatus, provisioning, lastLine]),
    };
  }
}

/** The row is read again this often while the rungs above it are climbed. */
const ROW_EVERY_MS = 60_000;
const START_GRACE_MS = 60_000;
const API_OUTAGE_MS = 5 * 60_000;
/** Wall time for one probe; it does a few local HTTP requests with 5 s each. */
const PROBE_TIMEOUT_MS = 30_000;

/** A login that fails now may work in a moment; a wrong host key never will. */
function isPassing(error: unknown): error is ForgeError {
  return error instanceof ForgeError && error.code.startsWith('SSH_') && !error.code.startsWith('SSH_HOST_KEY');
}

function vanished(instanceId: number): ForgeError {
  return new ForgeError(`Instance ${instanceId} no longer exists.`, {
    code: 'INSTANCE_VANISHED',
    exit: EXIT.notReady,
    hint: 'Somebody or its own provisioning destroyed it. forgectl ls shows what is left.',
    details: { instance_id: instanceId },
  });
}

function dead(instance: Instance, deadEnd: DeadEnd): ForgeError {
  return new ForgeError(`Instance ${instance.id} will not come up: ${deadEnd.reason}.`, {
    code: deadEnd.code,
    exit: EXIT.notReady,
    hint: [
      deadEnd.code === 'INSTANCE_OUTBID' ? `forgectl bid ${instance.id} USD   bids more` : null,
      `forgectl destroy ${instance.id}   (it is billed until then)`,
    ]
      .filter((line) => line !== null)
      .join('\n'),
    details: {
      instance_id: instance.id,
      actual_status: instance.actualStatus,
      ...(deadEnd.imageIsBad ? { image_is_bad: true } : {}),
    },
  });
}
