import { ForgeError } from '../../errors.js';
import type { Instance } from '../../vast/model.js';
import { type ConnectDependencies, connectInstance, type Link, vanished } from '../connect-instance.js';

/** Logs in to a machine whose address may be another one each time. */
export class Dialer {
  /** As it was last read. */
  instance: Instance;
  private readonly deps: ConnectDependencies;
  private readonly patienceMs: number;
  private isRowFresh = true;
  private gone: ForgeError | null = null;
  /** One question at a time, whatever an API that hangs makes of it. */
  private reading: Promise<void> | null = null;

  /** `instance` was read a moment ago. A row that takes longer than `patienceMs` is taken at the next try. */
  constructor(deps: ConnectDependencies, instance: Instance, patienceMs: number) {
    this.deps = deps;
    this.instance = instance;
    this.patienceMs = patienceMs;
  }

  /** Where the API says that the machine is. */
  async dial(signal: AbortSignal): Promise<Link> {
    const known = await this.freshRow();
    return connectInstance({ ...this.deps, signal }, { instanceId: known.id, known, patienceMs: 0 });
  }

  /**
   * The same, but tries where it was while the API is asked: after most cuts it is there still, and the API's answer and its
   * least interval are longer than a login. A stranger there has another host key, and is shown no key of ours.
   */
  async redial(signal: AbortSignal): Promise<Link> {
    const { instance } = this;
    const early = this.deps.connect(instance).then(
      (connection) => ({ link: { instance, connection }, error: null }),
      (error: unknown) => ({ link: null, error }),
    );
    let isWanted = false;
    try {
      const row = this.freshRow();
      const first = await Promise.race([early, row.then((read) => (isSame(read, instance) ? early : null))]);
      isWanted = first?.link != null;
      if (first?.link) return first.link;
      signal.throwIfAborted();
      if (first !== null && isSame(await row, instance) && !needsMore(first.error)) throw first.error;
    } finally {
      if (!isWanted) void early.then(({ link }) => link?.connection.close());
    }
    return connectInstance({ ...this.deps, signal }, { instanceId: instance.id, known: this.instance, patienceMs: 0 });
  }

  /** While the API is down or slow, the last known row is as good as any. */
  private async freshRow(): Promise<Instance> {
    if (this.gone !== null) throw this.gone;
    if (this.isRowFresh) {
      this.isRowFresh = false;
      return this.instance;
    }
    this.reading ??= this.readRow();
    const { reading } = this;
    const over = new AbortController();
    const late = this.deps.clock.sleep(this.patienceMs, over.signal).catch(() => {});
    await Promise.race([reading, late]);
    over.abort();
    if (this.gone !== null) throw this.gone;
    return this.instance;
  }

  private async readRow(): Promise<void> {
    try {
      const row = await this.deps.readInstance(this.instance.id);
      if (row === null) this.gone = vanished(this.instance.id);
      else this.instance = row;
    } catch (error) {
      if (!(error instanceof ForgeError)) throw error;
    } finally {
      this.reading = null;
    }
  }
}

/** In what a login depends on. */
function isSame(one: Instance, other: Instance): boolean {
  const partsOf = (row: Instance): string =>
    JSON.stringify([
      [row.publicIpaddr, row.ports, row.sshHost, row.sshPort, row.imageRuntype],
      [row.actualStatus, row.intendedStatus],
    ]);
  return partsOf(one) === partsOf(other);
}

/** A refused key is put on the machine again, which `connectInstance` does. */
function needsMore(error: unknown): boolean {
  return error instanceof ForgeError && error.code === 'SSH_AUTH';
}
