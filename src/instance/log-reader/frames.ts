import { EXIT, ForgeError } from '../../errors.js';
import { NO_PYTHON, READY } from './script.js';

export interface LogFile {
  /** "forge"; "forge.old" for what a service's start moved aside. */
  name: string;
  path: string;
  bytes: number;
  /** Seconds since the epoch, of the machine's clock. */
  changed: number;
  /** In the folder that the portal shows, not a clean copy or a log of the system. */
  portal: boolean;
}

export interface Catalog {
  t: 'catalog';
  logs: LogFile[];
  provisioning: boolean;
  provisioning_failed: boolean;
  /** East of Greenwich; lines without a zone are written in it. */
  utc_offset_s: number;
}

/** A file of a log from here on. `anchor` are the bytes before `offset`. */
export interface PieceFrame {
  t: 'piece';
  name: string;
  key: number;
  id: string;
  offset: number;
  role: 'current' | 'older';
  why: 'start' | 'resumed' | 'new' | 'moved' | 'trimmed' | 'rotated' | 'emptied' | 'lost';
  /** Lines may be missing before it. */
  gap: boolean;
  /** Which file is `.old` now. */
  old: string | null;
  data: Buffer;
}

export interface DataFrame {
  t: 'data';
  name: string;
  key: number;
  at: number;
  data: Buffer;
}

export type LogFrame =
  | Catalog
  | PieceFrame
  | DataFrame
  | { t: 'end'; name: string; key: number }
  | { t: 'gap'; name: string; why: 'lost' }
  | { t: 'caught_up'; name: string }
  | { t: 'tick' }
  | { t: 'done' };

/** More than the reader ever sends in one frame; a stream that says so is not the reader's. */
const MAX_PAYLOAD_BYTES = 1024 * 1024;
const MAX_HEADER_BYTES = 8 * 1024 * 1024;
/** What a machine may print (banners) before the reader begins. */
const MAX_NOISE_BYTES = 1024 * 1024;

/**
 * Bytes of the channel, cut anywhere, become frames: a JSON line that names `n`, then n bytes. A frame that is not
 * whole does not count; its bytes are asked for again after a reconnect. What is printed before the marker is passed over.
 */
export class FrameParser {
  private readonly marker: string;
  private held: Buffer[] = [];
  private heldBytes = 0;
  /** No frame can be whole before so many bytes are held. */
  private needed = 0;
  private hasBegun = false;

  constructor(marker: string) {
    this.marker = marker;
  }

  /** Throws when the stream cannot be the reader's. */
  push(chunk: Uint8Array): LogFrame[] {
    this.held.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    this.heldBytes += chunk.byteLength;
    if (this.heldBytes < this.needed) return [];
    const bytes = this.held.length === 1 ? (this.held[0] as Buffer) : Buffer.concat(this.held);
    const frames: LogFrame[] = [];
    let at = this.hasBegun ? 0 : this.findBegin(bytes);
    for (let frame = this.frameAt(bytes, at); frame !== null; frame = this.frameAt(bytes, at)) {
      at = frame.end;
      frames.push(frame.frame);
    }
    const rest = bytes.subarray(at);
    this.held = rest.length === 0 ? [] : [rest];
    this.heldBytes = rest.length;
    return frames;
  }

  /** Where the first frame starts. */
  private findBegin(bytes: Buffer): number {
    const at = bytes.indexOf(`\n${this.marker}:`);
    const end = at === -1 ? -1 : bytes.indexOf('\n', at + 1);
    if (end === -1) {
      if (bytes.length > MAX_NOISE_BYTES) throw notTheReader('it prints without end');
      return 0;
    }
    const word = bytes.subarray(at + this.marker.length + 2, end).toString('latin1');
    if (word === NO_PYTHON) throw noPython();
    if (word !== READY) throw notTheReader('its first word is unknown');
    this.hasBegun = true;
    return end + 1;
  }

  private frameAt(bytes: Buffer, at: number): { frame: LogFrame; end: number } | null {
    this.needed = 0;
    if (!this.hasBegun) return null;
    const end = bytes.indexOf(0x0a, at);
    if (end === -1) {
      if (bytes.length - at > MAX_HEADER_BYTES) throw notTheReader('a header does not end');
      return null;
    }
    const header = readHeader(bytes.subarray(at, end).toString('utf8'));
    if (bytes.length < end + 1 + header.n) {
      this.needed = end + 1 + header.n - at;
      return null;
    }
    const data = bytes.subarray(end + 1, end + 1 + header.n);
    return { frame: { ...header, data } as unknown as LogFrame, end: end + 1 + header.n };
  }
}

function readHeader(text: string): { t: string; n: number } {
  let header: unknown;
  try {
    header = JSON.parse(text);
  } catch {
    throw notTheReader('a header is not JSON');
  }
  const { t, n } = (header ?? {}) as { t?: unknown; n?: unknown };
  const isWhole = typeof t === 'string' && typeof n === 'number' && Number.isInteger(n) && n >= 0;
  if (!isWhole || n > MAX_PAYLOAD_BYTES) throw notTheReader('a header is not as agreed');
  return header as { t: string; n: number };
}

export function notTheReader(why: string): ForgeError {
  return new ForgeError(`The log reader on the machine cannot be understood: ${why}.`, {
    code: 'LOG_READER_FAILED',
    exit: EXIT.notReady,
    hint: 'forgectl logs --container asks the API instead.',
  });
}

function noPython(): ForgeError {
  return new ForgeError('The machine has no Python, which reading its logs needs.', {
    code: 'NO_PYTHON',
    exit: EXIT.notReady,
    hint: 'forgectl logs --container asks the API instead.',
  });
}
