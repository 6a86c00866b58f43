import { randomFillSync } from 'node:crypto';
import type { Socket } from 'node:net';
import type { Client } from 'ssh2';

const PADDING = Buffer.alloc(32 * 1024);
let paddingAt = PADDING.length;

interface CipherParts {
  allocPacket(payloadBytes: number): Buffer;
}

/**
 * ssh2 asks the system for the padding of each packet, which takes longer than all else of a small one. Here it comes from
 * a pool that is filled at once. Only for ciphers whose packets are laid out as they are here, which is tried out first.
 */
function poolPadding(client: Client): void {
  const { _protocol: protocol } = client as unknown as { _protocol?: { _cipher?: CipherParts } };
  const cipher = protocol?._cipher;
  if (typeof cipher?.allocPacket !== 'function') return;
  const allocOwn = cipher.allocPacket.bind(cipher);
  const macBytes = allocOwn(12).length - (4 + 32);
  const isSame = Array.from({ length: 80 }, (_, bytes) => bytes).every((bytes) => {
    const [theirs, ours] = [allocOwn(bytes), allocPacket(bytes, macBytes)];
    return theirs.length === ours.length && theirs.subarray(0, 5).equals(ours.subarray(0, 5));
  });
  if (isSame) cipher.allocPacket = (bytes) => allocPacket(bytes, macBytes);
}

/** RFC 5647: length, padding's length, payload and at least 4 bytes of padding, in blocks of 16 behind the length. */
function allocPacket(payloadBytes: number, macBytes: number): Buffer {
  let padding = 16 - ((1 + payloadBytes) & 15);
  if (padding < 4) padding += 16;
  const bytes = 4 + 1 + payloadBytes + padding;
  const packet = Buffer.allocUnsafe(bytes + macBytes);
  packet.writeUInt32BE(bytes - 4, 0);
  packet[4] = padding;
  if (paddingAt + padding > PADDING.length) {
    randomFillSync(PADDING);
    paddingAt = 0;
  }
  PADDING.copy(packet, 5 + payloadBytes, paddingAt, paddingAt + padding);
  paddingAt += padding;
  return packet;
}

/** Of packets that nobody waits for, as the answer to the end of a channel. */
const LATEST_MS = 3;

/** The parts of ssh2 1.17 behind its documentation that are used here. */
interface ClientParts {
  _sock?: Socket;
  _protocol?: { channelClose?(id: number): void };
}

/** Runs what writes packets that nobody waits for: they may go along with the next that somebody waits for. */
export type MayWait = (write: () => void) => void;

const PREPARED = new WeakMap<Client, MayWait>();

/** What a client that carries many ways needs, done once. The answer does nothing but call when this ssh2 is built differently. */
export function prepareForWays(client: Client): MayWait {
  const known = PREPARED.get(client);
  if (known !== undefined) return known;
  // Every way that opens waits for the end of the connection; a browser opens dozens.
  client.setMaxListeners(0);
  const mayWait = writeInOnePiece(client);
  PREPARED.set(client, mayWait);
  return mayWait;
}

/**
 * Small packets leave at once, and what is written in one turn leaves in one piece: ssh2's ciphers without a native
 * helper write each packet in three. Each piece wakes the server up, which is most of what a short connection costs.
 */
function writeInOnePiece(client: Client): MayWait {
  client.setNoDelay(true);
  const { _sock: socket, _protocol: protocol } = client as unknown as ClientParts;
  if (typeof socket?.write !== 'function' || typeof socket.cork !== 'function') return (write) => write();
  poolPadding(client);
  const pieces = new Pieces(socket);
  const mayWait: MayWait = (write) => pieces.mayWait(write);
  const close = protocol?.channelClose?.bind(protocol);
  if (protocol !== undefined && close !== undefined) protocol.channelClose = (id) => mayWait(() => close(id));
  return mayWait;
}

class Pieces {
  private readonly socket: Socket;
  private held: 'nothing' | 'until later' | 'until this turn ends' = 'nothing';
  private isPatient = false;
  private isTimed = false;

  constructor(socket: Socket) {
    this.socket = socket;
    const write = socket.write.bind(socket) as (chunk: Buffer) => boolean;
    socket.write = ((chunk: Buffer) => {
      this.hold();
      return write(chunk);
    }) as typeof socket.write;
  }

  /** What is written meanwhile. */
  mayWait(write: () => void): void {
    this.isPatient = true;
    try {
      write();
    } finally {
      this.isPatient = false;
    }
  }

  private hold(): void {
    if (this.held === 'until this turn ends') return;
    if (this.held === 'nothing') this.socket.cork();
    if (this.isPatient) {
      this.held = 'until later';
      if (this.isTimed) return;
      this.isTimed = true;
      setTimeout(() => {
        this.isTimed = false;
        if (this.held === 'until later') this.release();
      }, LATEST_MS);
    } else {
      this.held = 'until this turn ends';
      process.nextTick(() => this.release());
    }
  }

  private release(): void {
    this.held = 'nothing';
    this.socket.uncork();
  }
}
