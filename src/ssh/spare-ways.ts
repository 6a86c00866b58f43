import type { ClientChannel } from 'ssh2';
import { type LargeWindow, receiveDirectly, type Sink, type WindowCredit } from './large-window.js';

/** Shorter than any service waits for the first word. */
const KEPT_MS = 3000;
/** As many connections as a browser opens to one host. */
const MOST = 6;
/** Many at once cost the server one turn, and one that has come has gone by then. */
const REFILL_AFTER_MS = 4;

/** A way that is open and that nobody uses yet. What the service says of its own accord is kept for its user. */
export class SpareWay implements Sink {
  readonly channel: ClientChannel;
  readonly window: LargeWindow | null;
  readonly received: Buffer[] = [];
  /** Neither ended nor cut, so that its user cannot tell it from a new one. */
  isGood = true;
  private bytes = 0;
  private timer: NodeJS.Timeout | undefined;

  constructor(channel: ClientChannel, credit: WindowCredit) {
    this.channel = channel;
    this.window = receiveDirectly(channel, this, credit);
    // Through ssh2's own stream its first bytes could not be handed on.
    if (this.window === null) this.isGood = false;
    channel.once('close', () => this.end());
  }

  data(chunk: Buffer): void {
    this.received.push(chunk);
    this.bytes += chunk.length;
  }

  pending(): number {
    return this.bytes;
  }

  end(): void {
    this.isGood = false;
  }

  /** Calls back when nobody has taken it in time. */
  keepUntilTaken(onLate: () => void): void {
    this.timer = setTimeout(onLate, KEPT_MS).unref();
  }

  /** From here on it is somebody's. */
  take(): this {
    // A timer would hold it, and its user with it, for seconds.
    clearTimeout(this.timer);
    return this;
  }
}

/**
 * Ways to one service that are opened before they are asked for: a new connection of a browser need not wait for a round
 * trip. Only while connections come, and only for services which a silent connection does not harm.
 */
export class SpareWays {
  private readonly open: (onOpened: (channel: ClientChannel) => void) => Promise<unknown>;
  private readonly credit: WindowCredit;
  private readonly spares: SpareWay[] = [];
  private taken: number[] = [];
  private opening = 0;
  private isRefilling = false;

  constructor(open: (onOpened: (channel: ClientChannel) => void) => Promise<unknown>, credit: WindowCredit) {
    this.open = open;
    this.credit = credit;
  }

  /** One for a connection that comes now, if there is one; and more for those that are likely to follow. */
  take(): SpareWay | null {
    const now = performance.now();
    this.taken = [...this.taken.filter((at) => now - at < KEPT_MS).slice(-MOST), now];
    for (const spare of this.spares.filter(({ isGood }) => !isGood)) this.drop(spare);
    const spare = this.spares.shift()?.take() ?? null;
    if (!this.isRefilling) {
      this.isRefilling = true;
      // Who has come goes first.
      setTimeout(() => this.refill(), REFILL_AFTER_MS);
    }
    return spare;
  }

  private refill(): void {
    this.isRefilling = false;
    const wanted = Math.min(MOST, this.taken.length * 2);
    while (this.spares.length + this.opening < wanted) {
      this.opening += 1;
      this.open((channel) => this.keep(new SpareWay(channel, this.credit)))
        .catch(() => {
          // Who needs it will hear of it.
        })
        .finally(() => {
          this.opening -= 1;
        });
    }
  }

  private keep(spare: SpareWay): void {
    if (!spare.isGood) {
      spare.channel.destroy();
      return;
    }
    this.spares.push(spare);
    spare.keepUntilTaken(() => this.drop(spare));
  }

  private drop(spare: SpareWay): void {
    const at = this.spares.indexOf(spare);
    if (at === -1) return;
    this.spares.splice(at, 1);
    spare.channel.destroy();
  }
}
