import type { ClientChannel } from 'ssh2';
import { sweepYoungBuffers } from './garbage.js';
import { tellHeld } from './small-pieces.js';

const MiB = 1024 * 1024;
/** What ssh2 grants every channel, and opens again only when half of it is used: 100 ms away that is 10 MB/s. */
const SSH2_WINDOW = 2 * MiB;
/** 100 ms away this carries more than one core can decipher. */
const LARGEST_WINDOW = 32 * MiB;
/** Of all channels of a connection, beyond what ssh2 grants by itself: the memory that slow readers may hold. */
const LARGE_WINDOWS_TOTAL = 48 * MiB;
const UNKNOWN_ROUND_TRIP_MS = 100;
/** So near that ssh2's window carries more than a core can: a larger one would only fill the buffers of the way. */
const NEAR_MS = 3;

/** Where received bytes go. */
export interface Sink {
  data(chunk: Buffer): void;
  /** Bytes that were taken and not passed on yet. */
  pending(): number;
  /** `isWhole`: the other side said that this was all. Otherwise the stream was cut in the middle. */
  end(isWhole: boolean): void;
}

/** What the channels of one connection share. */
export class WindowCredit {
  /** Of the connection, as it was last measured. */
  roundTripMs: number | null = null;
  /** Milliseconds of a clock that only goes forward. */
  readonly now: () => number;
  private left = LARGE_WINDOWS_TOTAL;

  constructor(now: () => number = () => performance.now()) {
    this.now = now;
  }

  take(bytes: number): boolean {
    if (bytes > this.left) return false;
    this.left -= bytes;
    return true;
  }

  giveBack(bytes: number): void {
    this.left += bytes;
  }
}

export interface Distance {
  /** To begin with, and for a reader who does not keep up: what he holds is memory. ssh2 grants 2 MiB once in any case. */
  leastBytes: number;
  /** As it is known now; null for not yet. */
  roundTripMs(): number | null;
}

/** The parts of ssh2 1.17 behind its documentation that are used here. */
interface ChannelParts {
  incoming: { window: number; state: string };
  outgoing: { id: number };
  push(chunk: Buffer | null): boolean;
  _client: { _protocol: { channelWindowAdjust(id: number, bytes: number): void } };
}

/**
 * Takes a channel's received bytes as they come, past its stream, and keeps a window open that is as large as the distance
 * needs. Must be called before anything is received, that is in the callback that brings the channel.
 * Null when this ssh2 is built differently: its own streams and its own window do then.
 */
export function receiveDirectly(
  channel: ClientChannel,
  sink: Sink,
  credit: WindowCredit,
  distance: Distance = { leastBytes: SSH2_WINDOW, roundTripMs: () => credit.roundTripMs },
): LargeWindow | null {
  const parts = channel as unknown as ChannelParts;
  const isKnown =
    typeof parts.incoming?.window === 'number' &&
    typeof parts.incoming.state === 'string' &&
    typeof parts.outgoing?.id === 'number' &&
    typeof parts.push === 'function' &&
    typeof parts._client?._protocol?.channelWindowAdjust === 'function';
  return isKnown ? new LargeWindow(parts, sink, credit, distance) : null;
}

export class LargeWindow {
  /** Bytes on their way plus bytes that are held here. */
  target: number;
  /** May change hands. */
  sink: Sink;
  private readonly channel: ChannelParts;
  private readonly credit: WindowCredit;
  private readonly distance: Distance;
  private hasEnded = false;
  private periodStartMs: number;
  private periodBytes = 0;

  constructor(channel: ChannelParts, sink: Sink, credit: WindowCredit, distance: Distance) {
    this.distance = distance;
    this.target = distance.leastBytes;
    this.channel = channel;
    this.sink = sink;
    this.credit = credit;
    this.periodStartMs = credit.now();
    tellHeld(channel, () => this.sink.pending());
    const push = channel.push.bind(channel);
    channel.push = (chunk) => {
      if (chunk === null) {
        this.finish();
        return push(null);
      }
      if (!this.hasEnded) this.receive(chunk);
      // ssh2 takes this for "wait", and leaves the window to us.
      return false;
    };
    // So that its stream can end, and then close.
    (channel as unknown as ClientChannel).resume();
  }

  /** To be called when the sink has passed on what it held. */
  drained(): void {
    if (!this.hasEnded) this.openAgain();
  }

  private receive(chunk: Buffer): void {
    this.sink.data(chunk);
    sweepYoungBuffers(chunk.length);
    this.periodBytes += chunk.length;
    this.adapt();
    this.openAgain();
  }

  private finish(): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    this.resize(Math.min(this.target, SSH2_WINDOW));
    this.sink.end(this.channel.incoming.state === 'eof');
  }

  /** As TCP does it: a round trip that brought half a window was held up by the window. Two such steps reach the largest. */
  private adapt(): void {
    const pending = this.sink.pending();
    if (pending > this.target / 2) {
      this.resize(Math.max(this.distance.leastBytes, this.target / 2));
      return;
    }
    const now = this.credit.now();
    const periodMs = this.distance.roundTripMs() ?? UNKNOWN_ROUND_TRIP_MS;
    if (periodMs < NEAR_MS || now - this.periodStartMs < periodMs) return;
    const wasHeldUp = this.periodBytes * periodMs >= (this.target / 2) * (now - this.periodStartMs);
    this.periodStartMs = now;
    this.periodBytes = 0;
    if (wasHeldUp && pending < this.target / 8) this.resize(Math.min(LARGEST_WINDOW, this.target * 4));
  }

  private resize(target: number): void {
    const beyond = (bytes: number): number => Math.max(0, bytes - SSH2_WINDOW);
    const more = beyond(target) - beyond(this.target);
    if (more > 0 && !this.credit.take(more)) return;
    if (more < 0) this.credit.giveBack(-more);
    this.target = target;
  }

  private openAgain(): void {
    const { incoming, outgoing, _client: client } = this.channel;
    const bytes = this.target - incoming.window - this.sink.pending();
    if (bytes < this.target / 8 || incoming.state !== 'open') return;
    incoming.window += bytes;
    client._protocol.channelWindowAdjust(outgoing.id, bytes);
  }
}
