import type { Clock } from '../../clock.js';
import { ForgeError } from '../../errors.js';
import type { Carrier } from '../../ssh/carrier.js';
import { noTraffic } from '../../ssh/socket-pair.js';
import type { TellTunnel } from './events.js';
import type { ReverseSpec } from './specs.js';

const OPEN_LIMIT_MS = 10_000;
/** After a loss the machine's sshd may still hold the port for the old connection. */
const TRY_AGAIN_MS = 2000;

/** A port of the machine that leads to this computer. */
export class ReverseForward {
  readonly traffic = noTraffic();
  readonly spec: ReverseSpec;
  /** As the machine has given it; null while it does not listen. */
  port: number | null = null;
  reason: string | null = null;

  constructor(spec: ReverseSpec) {
    this.spec = spec;
  }

  get remote(): string {
    return `${this.spec.address}:${this.port ?? this.spec.port}`;
  }

  get local(): string {
    return `${this.spec.target.host}:${this.spec.target.port}`;
  }

  /** Once for each connection, and again until the machine does it. */
  async open(
    carrier: Carrier,
    { clock, tell, signal }: { clock: Clock; tell: TellTunnel; signal: AbortSignal },
  ): Promise<void> {
    const { spec, traffic } = this;
    const end = { host: spec.address, port: spec.port };
    while (!signal.aborted) {
      try {
        this.port = await carrier.listenOnMachine(end, spec.target, { traffic, timeoutMs: OPEN_LIMIT_MS });
        this.reason = null;
        tell({ event: 'reverse_ready', reverse: this });
        return;
      } catch (error) {
        if (!(error instanceof ForgeError)) throw error;
        if (!carrier.connection.isOpen() || signal.aborted) return;
        if (this.reason === null) tell({ event: 'reverse_refused', reverse: this });
        this.reason = 'the machine does not open the port';
      }
      await clock.sleep(TRY_AGAIN_MS, signal);
    }
  }

  isFor({ address, port, target }: ReverseSpec): boolean {
    const { spec } = this;
    return spec.address === address && spec.port === port && `${target.host}:${target.port}` === this.local;
  }

  lost(): void {
    this.port = null;
  }
}
