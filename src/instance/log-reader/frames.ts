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
  why: (typeof WHYS)[number];
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

const MOST_LOGS = 10_000;
/** A path of Linux has at most as many bytes. */
const LONGEST_TEXT = 4096;
const DAY_S = 86_400;
/** The last moment that a Date can hold. */
const LAST_SECOND = 8_640_000_000_000;
const WHYS = ['start', 'resumed', 'new', 'moved', 'trimmed', 'rotated', 'emptied', 'lost'] as const;

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
    return { frame: frameOf(header, data), end: end + 1 + header.n };
  }
}

type Header = Record<string, unknown> & { t: string; n: number };

function readHeader(text: string): Header {
  let header: unknown;
  try {
    header = JSON.parse(text);
  } catch {
    throw notTheReader('a header is not JSON');
  }
  const { t, n } = (header ?? {}) as { t?: unknown; n?: unknown };
  const isWhole = typeof t === 'string' && typeof n === 'number' && Number.isInteger(n) && n >= 0;
  if (!isWhole || n > MAX_PAYLOAD_BYTES) throw notTheReader('a header is not as agreed');
  return header as Header;
}

/** Every field is of its kind, or the stream is not the reader's. */
function frameOf(header: Header, data: Buffer): LogFrame {
  const { t } = header;
  if (t === 'catalog') return catalogOf(header);
  if (t === 'piece') return pieceOf(header, data);
  if (t === 'data') return { t, name: nameIn(header), key: countIn(header, 'key'), at: countIn(header, 'at'), data };
  if (t === 'end') return { t, name: nameIn(header), key: countIn(header, 'key') };
  if (t === 'gap') return { t, name: nameIn(header), why: 'lost' };
  if (t === 'caught_up') return { t, name: nameIn(header) };
  if (t === 'tick' || t === 'done') return { t };
  throw notTheReader('a frame is of no kind');
}

function catalogOf(header: Header): Catalog {
  const { logs, utc_offset_s: offset } = header;
  if (!Array.isArray(logs) || logs.length > MOST_LOGS) throw notTheReader('its list of logs is none');
  if (typeof offset !== 'number' || Math.abs(offset) > DAY_S) throw notTheReader('its time zone is none');
  return {
    t: 'catalog',
    logs: logs.map((log: Record<string, unknown> | null) => logOf(log ?? {})),
    provisioning: header['provisioning'] === true,
    provisioning_failed: header['provisioning_failed'] === true,
    utc_offset_s: offset,
  };
}

function logOf(log: Record<string, unknown>): LogFile {
  const { changed } = log;
  const isTime = typeof changed === 'number' && Math.abs(changed) <= LAST_SECOND;
  if (!isTime) throw notTheReader('a log has no time');
  return {
    name: nameIn(log),
    path: textIn(log, 'path'),
    bytes: countIn(log, 'bytes'),
    changed,
    portal: log['portal'] === true,
  };
}

function pieceOf(header: Header, data: Buffer): PieceFrame {
  const { role, why, old } = header;
  if (role !== 'current' && role !== 'older') throw notTheReader('a frame has no role');
  if (old !== null && typeof old !== 'string') throw notTheReader('a frame names no file');
  return {
    t: 'piece',
    name: nameIn(header),
    key: countIn(header, 'key'),
    id: textIn(header, 'id'),
    offset: countIn(header, 'offset'),
    role,
    why: WHYS.find((known) => known === why) ?? 'lost',
    gap: header['gap'] === true,
    old,
    data,
  };
}

function nameIn(fields: Record<string, unknown>): string {
  return textIn(fields, 'name');
}

function textIn(fields: Record<string, unknown>, key: string): string {
  const text = fields[key];
  if (typeof text !== 'string' || text.length > LONGEST_TEXT) throw notTheReader(`a frame has no ${key}`);
  return text;
}

function countIn(fields: Record<string, unknown>, key: string): number {
  const count = fields[key];
  if (typeof count !== 'number' || !Number.isSafeInteger(count) || count < 0)
    throw notTheReader(`a frame has no ${key}`);
  return count;
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
