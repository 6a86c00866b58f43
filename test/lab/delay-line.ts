import type { Socket } from 'node:net';

/** Up: from the one who connects to the one who listens. */
export type Direction = 'up' | 'down';
export type Ending = 'cut' | 'reset' | 'stall';

/** What all connections of a proxy share. */
export interface Line {
  oneWayMs: number;
  bytesPerSecond: number;
  /** When the last byte that was let in is through the narrow place. */
  freeAt: Record<Direction, number>;
  stalled: Record<Direction, boolean>;
  limits: Record<Direction, { left: number; ending: Ending } | null>;
  delivered: Record<Direction, number>;
  end: (ending: Ending) => void;
}

/** On its way, per connection and direction. A long fast line holds much: 64 MB are 200 ms of 2.5 Gbit/s. */
const MAX_IN_FLIGHT_BYTES = 64 * 1024 * 1024;

/** One connection: two sockets, and what is on its way between them. */
export class Pair {
  onEnd: () => void = () => {};
  private readonly sockets: Socket[];
  private readonly flows: Flow[];

  constructor(client: Socket, server: Socket, line: Line) {
    this.sockets = [client, server];
    // A SYN travels there and back before the first byte is sent, which then travels too.
    const connectedAt = performance.now() + 2 * line.oneWayMs;
    this.flows = [
      new Flow({ from: client, to: server }, line, 'up'),
      new Flow({ from: server, to: client }, line, 'down'),
    ];
    (this.flows[0] as Flow).notBefore = connectedAt;
    for (const socket of this.sockets) {
      socket.on('error', (error: NodeJS.ErrnoException) => this.end(error.code === 'ECONNRESET' ? 'reset' : 'cut'));
      socket.once('close', () => {
        if (this.sockets.every(({ destroyed }) => destroyed)) this.onEnd();
      });
    }
  }

  flush(): void {
    for (const flow of this.flows) flow.deliver();
  }

  end(ending: 'cut' | 'reset'): void {
    for (const flow of this.flows) flow.stop();
    for (const socket of this.sockets) {
      if (socket.destroyed) continue;
      if (ending === 'reset') socket.resetAndDestroy();
      else socket.destroy();
    }
    this.onEnd();
  }
}

interface Held {
  dueAt: number;
  /** Null: the sender has ended its half. */
  bytes: Buffer | null;
}

/** One direction of one connection. */
class Flow {
  notBefore = 0;
  private readonly ends: { from: Socket; to: Socket };
  private readonly line: Line;
  private readonly direction: Direction;
  private held: Held[] = [];
  private heldBytes = 0;
  private timer: NodeJS.Timeout | null = null;
  private stopped = false;
  private waitsForDrain = false;

  constructor(ends: { from: Socket; to: Socket }, line: Line, direction: Direction) {
    this.ends = ends;
    this.line = line;
    this.direction = direction;
    ends.from.on('data', (bytes: Buffer) => this.take(bytes));
    ends.from.once('end', () => this.take(null));
    ends.to.on('drain', () => {
      this.waitsForDrain = false;
      this.deliver();
    });
  }

  stop(): void {
    this.stopped = true;
    if (this.timer !== null) clearTimeout(this.timer);
    this.held = [];
  }

  /** Everything that is due, until the receiver has enough. */
  deliver(): void {
    const { ends, held } = this;
    const now = performance.now();
    let done = 0;
    ends.to.cork();
    for (; done < held.length && !this.isHeldUp(); done += 1) {
      const next = held[done] as Held;
      // Timers are whole milliseconds; half of one is closer than another round.
      if (next.dueAt > now + 0.5 || !this.send(next)) break;
    }
    ends.to.uncork();
    if (this.stopped) return;
    held.splice(0, done);
    this.readOrPause();
    this.wakeFor(held[0]);
  }

  private take(bytes: Buffer | null): void {
    if (this.stopped) return;
    const { line, direction } = this;
    const size = bytes?.length ?? 0;
    const entered = Math.max(performance.now(), this.notBefore, line.freeAt[direction]);
    const through = entered + (size / line.bytesPerSecond) * 1000;
    line.freeAt[direction] = line.bytesPerSecond === Number.POSITIVE_INFINITY ? 0 : through;
    this.held.push({ dueAt: through + line.oneWayMs, bytes });
    this.heldBytes += size;
    if (this.timer === null && !this.isHeldUp()) this.deliver();
    else this.readOrPause();
  }

  private isHeldUp(): boolean {
    return this.stopped || this.waitsForDrain || this.line.stalled[this.direction];
  }

  /** A full line and a stalled one take nothing more: the sender notices by and by. */
  private readOrPause(): void {
    const { from } = this.ends;
    const full = this.heldBytes > MAX_IN_FLIGHT_BYTES || this.line.stalled[this.direction];
    if (full && !from.isPaused()) from.pause();
    if (!full && from.isPaused()) from.resume();
  }

  private wakeFor(next: Held | undefined): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    if (next === undefined || this.isHeldUp()) return;
    const wake = (): void => {
      this.timer = null;
      this.deliver();
    };
    this.timer = setTimeout(wake, Math.max(1, next.dueAt - performance.now()));
  }

  /** False when a part of it stays behind, because the line ends in the middle of it. */
  private send(next: Held): boolean {
    const { to } = this.ends;
    const { bytes } = next;
    if (bytes === null) {
      to.end();
      return true;
    }
    const limit = this.line.limits[this.direction];
    const part = limit === null || bytes.length < limit.left ? bytes : bytes.subarray(0, limit.left);
    this.heldBytes -= part.length;
    this.line.delivered[this.direction] += part.length;
    if (!to.write(part)) this.waitsForDrain = true;
    if (limit === null) return true;
    limit.left -= part.length;
    if (limit.left > 0) return true;
    this.line.limits[this.direction] = null;
    next.bytes = bytes.subarray(part.length);
    this.endBehind(limit.ending);
    return false;
  }

  /** The last byte must be out before the end comes; nothing more goes out meanwhile. */
  private endBehind(ending: Ending): void {
    this.line.stalled[this.direction] = true;
    const { to } = this.ends;
    to.write('', () => {
      this.line.stalled[this.direction] = false;
      this.line.end(ending);
    });
  }
}
