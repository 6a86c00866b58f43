import type { Socket } from 'node:net';
import type { ClientChannel } from 'ssh2';
import { type LargeWindow, receiveDirectly, type Sink, type WindowCredit } from './large-window.js';
import type { MayWait } from './packet-pieces.js';
import type { SpareWay } from './spare-ways.js';

/** Counted by the pairs of one forward. */
export interface Traffic {
  bytesUp: number;
  bytesDown: number;
  open: number;
  total: number;
}

/** Sees what a client sends before it is passed on. */
export interface Inspector {
  /** What may be passed on now: all of it, less, or none. What it keeps back comes with a later one, or never. */
  inspect(chunk: Buffer): Buffer;
  /** Once it is set nothing more passes: what the client is told before it is left alone. */
  readonly refusal: Buffer | null;
}

export function noTraffic(): Traffic {
  return { bytesUp: 0, bytesDown: 0, open: 0, total: 0 };
}

export interface PairOptions {
  traffic: Traffic;
  credit: WindowCredit;
  mayWait: MayWait;
  /** Whether the connection below has gone; asked when a stream ends. */
  isLost: () => boolean;
  /** A way that was opened before, with what came through it. */
  spare?: SpareWay;
  inspector?: Inspector | undefined;
}

/** A client that goes on sending to a service that has closed is listened to this long, so that it can read the answer. */
const LINGER_MS = 5000;
/** Of a download: more comes in the same turn, and leaves with it. */
const MANY_BYTES = 8192;
/** Time to read what came before a cut, on a busy computer too. */
const RESET_AFTER_MS = 250;

/**
 * One socket of this computer and one channel, until both have ended: each direction ends by itself, each waits for its
 * reader, and an error of one side hurts the other side only. A stream that was cut reaches the client as a reset, never as
 * an orderly end, so that half an answer cannot pass for a whole one.
 */
export class SocketPair implements Sink {
  private readonly socket: Socket;
  private readonly channel: ClientChannel;
  private readonly options: PairOptions;
  private readonly window: LargeWindow | null;
  private isOver = false;
  private isCorked = false;
  private isCut = false;
  private isAnswered = false;
  private hasPassed = false;
  private refusal: Buffer | null = null;
  private lingering: NodeJS.Timeout | undefined;

  constructor(socket: Socket, channel: ClientChannel, options: PairOptions) {
    this.socket = socket;
    this.channel = channel;
    this.options = options;
    options.traffic.open += 1;
    options.traffic.total += 1;
    channel.on('error', () => {});
    endsOnce(channel);
    this.window = options.spare?.window ?? receiveDirectly(channel, this, options.credit);
    if (this.window === null) this.receiveByStream();
    else this.window.sink = this;
    for (const chunk of options.spare?.received ?? []) this.data(chunk);
    channel.on('close', () => this.channelClosed());
    socket.on('drain', () => this.window?.drained());
    socket.once('close', () => this.socketClosed());
    this.send();
  }

  data(chunk: Buffer): void {
    if (this.socket.destroyed || this.socket.writableEnded) return;
    this.options.traffic.bytesDown += chunk.length;
    this.isAnswered = true;
    if (!this.isCorked && chunk.length >= MANY_BYTES) {
      this.isCorked = true;
      this.socket.cork();
      process.nextTick(() => {
        this.isCorked = false;
        this.socket.uncork();
      });
    }
    this.socket.write(chunk);
  }

  pending(): number {
    return this.socket.writableLength;
  }

  end(isWhole: boolean): void {
    if (!isWhole) this.cut();
    else this.endSocket();
  }

  private endSocket(): void {
    if (this.socket.writableEnded) return;
    if (this.refusal === null) this.socket.end();
    else this.socket.end(this.refusal, () => this.channel.close());
  }

  /** Not at once: Node's own clients take data and a reset that come together for an orderly end (libuv: uv__stream_io). */
  private cut(): void {
    if (this.isCut) return;
    this.isCut = true;
    this.settle();
    setTimeout(() => this.socket.destroyed || reset(this.socket), RESET_AFTER_MS);
  }

  private send(): void {
    const { socket, channel, options } = this;
    const { inspector } = options;
    socket.on('data', (chunk) => {
      if (this.isOver || this.refusal !== null) return;
      options.traffic.bytesUp += chunk.length;
      this.isAnswered = false;
      const passed = inspector === undefined ? chunk : this.inspect(inspector, chunk);
      if (passed.length > 0 && !channel.write(passed)) socket.pause();
    });
    channel.on('drain', () => socket.resume());
    // Who ends after an answer has had it; who ends before it is waiting for one.
    socket.once('end', () => (this.isAnswered ? options.mayWait(() => channel.end()) : channel.end()));
    socket.resume();
  }

  private inspect(inspector: Inspector, chunk: Buffer): Buffer {
    const passed = inspector.inspect(chunk);
    if (inspector.refusal !== null) {
      this.refusal = inspector.refusal;
      // After the answers to what has passed; what the client goes on sending is read, so that it can read them.
      if (passed.length > 0 || this.hasPassed) process.nextTick(() => this.channel.end());
      else this.end(true);
      this.lingering = setTimeout(() => this.socket.destroy(), LINGER_MS).unref();
    }
    this.hasPassed ||= passed.length > 0;
    return passed;
  }

  /** ssh2 closes a channel whose connection is lost as if it had ended in order. */
  private receiveByStream(): void {
    this.channel.on('data', (chunk: Buffer) => {
      this.data(chunk);
      if (this.socket.writableNeedDrain) this.channel.pause();
    });
    this.socket.on('drain', () => this.channel.resume());
    this.channel.once('end', () => this.end(!this.options.isLost()));
  }

  private channelClosed(): void {
    this.settle();
    if (this.socket.destroyed || this.isCut) return;
    if (this.options.isLost() && !this.socket.writableEnded) {
      this.cut();
      return;
    }
    this.endSocket();
    this.socket.resume();
    clearTimeout(this.lingering);
    this.lingering = setTimeout(() => this.socket.destroy(), LINGER_MS).unref();
  }

  private socketClosed(): void {
    // What a timer holds outlives young memory, and each connection costs a fifth more.
    clearTimeout(this.lingering);
    this.settle();
    this.channel.destroy();
  }

  private settle(): void {
    if (!this.isOver) this.options.traffic.open -= 1;
    this.isOver = true;
  }
}

/** ssh2's destroy ends a second time, which makes an error with its stack that nobody reads: 60 us of each connection. */
function endsOnce(channel: ClientChannel): void {
  channel.destroy = () => {
    if (!channel.writableEnded) channel.end();
    channel.close();
    return channel;
  };
}

/** Refuses or ends a socket so that nobody can take it for an orderly end. */
export function reset(socket: Socket): void {
  // Only TCP knows a reset; the local end of a UNIX socket has no port.
  if (socket.remotePort === undefined) socket.destroy();
  else socket.resetAndDestroy();
}
