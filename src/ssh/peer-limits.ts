import type { Socket } from 'node:net';
import type { Client, ClientChannel } from 'ssh2';
import { type Holding, SmallPieces } from './small-pieces.js';

/** The code of the client's error when the peer has broken the protocol on purpose, or has a fault that looks like it. */
export const VIOLATION = 'EPEERVIOLATION';

/** A packet of a channel must hold so much: ssh2 cuts what it sends into such pieces, and of none it would never come to an end. */
const LEAST_PACKET_BYTES = 1024;
/** Answers that the peer has asked for and does not take: half a kilobyte of memory each. */
const MOST_UNTAKEN_ANSWERS = 10_000;
/** ssh2 grants a channel 2 MiB, and again when half of it is used. */
const MOST_BUFFERED_BYTES = 4 * 1024 * 1024;

/** Announces the server's other host keys, which nobody here asks for; ssh2 would check each with a question to the server. */
const OTHER_HOST_KEYS = 'hostkeys-00@openssh.com';

/** The parts of ssh2 1.17 behind its documentation that are used here. */
interface ClientParts {
  _sock?: Socket;
  _chanMgr?: { get(id: number): unknown };
  _protocol?: { _handlers?: Handlers; _queue?: unknown };
}
interface Handlers {
  CHANNEL_DATA: (protocol: unknown, id: number, data: Buffer) => void;
  CHANNEL_EXTENDED_DATA: (protocol: unknown, id: number, data: Buffer, type: number) => void;
  CHANNEL_OPEN: (protocol: unknown, info: { packetSize: number }) => void;
  CHANNEL_OPEN_CONFIRMATION: (protocol: unknown, info: { packetSize: number }) => void;
  CHANNEL_EOF: (protocol: unknown, id: number) => void;
  CHANNEL_CLOSE: (protocol: unknown, id: number) => void;
  CHANNEL_REQUEST: (protocol: unknown, id: number, type: string, wantsAnswer: boolean, data: unknown) => void;
  GLOBAL_REQUEST: (protocol: unknown, name: string, wantsAnswer: boolean, data: unknown) => void;
}
interface Windowed extends Holding {
  incoming?: { window?: number };
}

const WATCHED = new WeakSet<Client>();
const VIOLATIONS = new WeakMap<Client, string>();

/** How the peer has broken the protocol, from the first packet on: also before anybody listened for the client's errors. */
export function violationIn(client: Client): string | null {
  return VIOLATIONS.get(client) ?? null;
}

/**
 * Ends the connection of a peer that takes more than it was given: data beyond a channel's window, which ssh2 would keep in
 * memory, and requests whose answers it does not take. To be called when the client has begun to connect. A client that is
 * built differently is left as it is: `watchChannel` does then.
 */
export function watchPeer(client: Client): void {
  const { _protocol: protocol, _chanMgr: channels } = client as unknown as ClientParts;
  const handlers = protocol?._handlers;
  if (typeof handlers?.CHANNEL_DATA !== 'function' || typeof channels?.get !== 'function') return;
  const watch = new Watch(client);
  handlers.CHANNEL_DATA = watch.onData('out', handlers.CHANNEL_DATA);
  handlers.CHANNEL_EXTENDED_DATA = watch.onData('err', handlers.CHANNEL_EXTENDED_DATA);
  handlers.CHANNEL_EOF = watch.onEnd(handlers.CHANNEL_EOF);
  handlers.CHANNEL_CLOSE = watch.onEnd(handlers.CHANNEL_CLOSE);
  handlers.CHANNEL_OPEN = watch.onOpen(handlers.CHANNEL_OPEN, true);
  handlers.CHANNEL_OPEN_CONFIRMATION = watch.onOpen(handlers.CHANNEL_OPEN_CONFIRMATION, false);
  handlers.CHANNEL_REQUEST = watch.onRequest(handlers.CHANNEL_REQUEST);
  handlers.GLOBAL_REQUEST = watch.onGlobalRequest(handlers.GLOBAL_REQUEST);
  WATCHED.add(client);
}

/** Where `watchPeer` could not: bounds what a channel holds for its reader. */
export function watchChannel(client: Client, channel: ClientChannel): void {
  if (WATCHED.has(client)) return;
  for (const stream of [channel, channel.stderr]) {
    const push = stream.push.bind(stream);
    stream.push = (chunk: unknown, encoding?: BufferEncoding) => {
      if (stream.readableLength <= MOST_BUFFERED_BYTES) return push(chunk, encoding);
      endForViolation(client, 'it sent more than it was allowed to');
      return false;
    };
  }
}

class Watch {
  private readonly client: Client;
  private readonly parts: ClientParts;
  private readonly pieces = new SmallPieces();
  private untaken = 0;
  private isOver = false;

  constructor(client: Client) {
    this.client = client;
    this.parts = client as unknown as ClientParts;
  }

  onData<More extends unknown[]>(
    stream: 'out' | 'err',
    handle: (protocol: unknown, id: number, data: Buffer, ...more: More) => void,
  ) {
    return (protocol: unknown, id: number, data: Buffer, ...more: More): void => {
      if (this.isOver) return;
      const found = this.parts._chanMgr?.get(id);
      const channel = typeof found === 'object' ? (found as Windowed | null) : null;
      const window = channel?.incoming?.window;
      if (window !== undefined && data.length + this.pieces.bytesOf(id) > window)
        this.end('it sent more than it was allowed to');
      else if (this.pieces.mayPass(data)) handle(protocol, id, data, ...more);
      else this.pieces.take(id, stream, channel, data, (all) => handle(protocol, id, all, ...more));
    };
  }

  onEnd(handle: (protocol: unknown, id: number) => void) {
    return (protocol: unknown, id: number): void => {
      if (!this.isOver) this.pieces.handOnAll(id);
      handle(protocol, id);
    };
  }

  onOpen<Info extends { packetSize: number }>(handle: (protocol: unknown, info: Info) => void, isAnswered: boolean) {
    return (protocol: unknown, info: Info): void => {
      if (this.isOver || (isAnswered && !this.mayAnswer())) return;
      if (info.packetSize < LEAST_PACKET_BYTES) this.end(`it takes packets of ${info.packetSize} bytes`);
      else handle(protocol, info);
    };
  }

  onRequest(handle: Handlers['CHANNEL_REQUEST']): Handlers['CHANNEL_REQUEST'] {
    return (protocol, id, type, wantsAnswer, data) => {
      if (!this.isOver && (!wantsAnswer || this.mayAnswer())) handle(protocol, id, type, wantsAnswer, data);
    };
  }

  onGlobalRequest(handle: Handlers['GLOBAL_REQUEST']): Handlers['GLOBAL_REQUEST'] {
    return (protocol, name, wantsAnswer, data) => {
      if (this.isOver || (wantsAnswer && !this.mayAnswer())) return;
      // As a request that nobody knows: it is refused when an answer is wanted.
      handle(protocol, name === OTHER_HOST_KEYS ? `not heeded: ${name}` : name, wantsAnswer, data);
    };
  }

  /** False when the peer has taken none of so many answers, which ends its connection. */
  private mayAnswer(): boolean {
    const { _sock: socket, _protocol: protocol } = this.parts;
    // While keys are exchanged, packets wait in that queue.
    const isTaken = socket?.writableLength === 0 && protocol?._queue === undefined;
    this.untaken = isTaken ? 0 : this.untaken + 1;
    if (this.untaken <= MOST_UNTAKEN_ANSWERS) return true;
    this.end('it asks and does not take the answers');
    return false;
  }

  private end(why: string): void {
    this.isOver = true;
    endForViolation(this.client, why);
  }
}

function endForViolation(client: Client, why: string): void {
  VIOLATIONS.set(client, VIOLATIONS.get(client) ?? why);
  client.emit('error', Object.assign(new Error(why), { code: VIOLATION }));
  (client as unknown as ClientParts)._sock?.destroy();
}
