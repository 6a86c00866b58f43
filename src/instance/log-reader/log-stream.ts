import { LineAssembler } from '../log-text/line-assembler.js';
import { DATE_PATTERN, EPOCH_PATTERN } from '../log-text/line-time.js';
import { type DataFrame, type LogFrame, notTheReader, type PieceFrame } from './frames.js';

/** Where a log is read from at first. */
export interface LogStart {
  /** So many lines from its end; null for all. */
  tail: number | null;
  /** Nothing that is known to be older, by the machine's clock. */
  since: { ago_s: number } | { epoch_s: number } | null;
}

export interface LogWish extends LogStart {
  /** Null: all that the portal shows, also those that come later. */
  names: readonly string[] | null;
  follow: boolean;
}

/** What is shown where lines may be missing, or a log has begun anew. */
export type Break = 'rotated' | 'emptied' | 'lost';

export interface StreamEvents {
  line(name: string, text: string): void;
  /** The line at the end of a log that is not whole yet; '' when it was completed. */
  partial(name: string, text: string): void;
  /** Lines may be missing here. */
  gap(name: string, why: Break): void;
  /** Everything that was there at the start has been given. */
  caughtUp(name: string): void;
  done(): void;
}

interface Piece {
  id: string;
  offset: number;
  anchor: Buffer;
  role: 'current' | 'older';
  lines: LineAssembler;
}

interface Position {
  pieces: Map<number, Piece>;
  old: string | null;
  caughtUp: boolean;
}

const ANCHOR_BYTES = 4096;

/**
 * The client's half: frames become lines, and what arrived whole is remembered as a position, from which the next
 * connection goes on. A line that is cut by the end of a connection stays here until its rest comes over the next one.
 */
export class LogStream {
  private readonly wish: LogWish;
  private readonly events: StreamEvents;
  private readonly positions = new Map<string, Position>();
  private nextKey = 0;
  isDone = false;
  /** Of the logs, over all connections. */
  receivedBytes = 0;

  constructor(wish: LogWish, events: StreamEvents) {
    this.wish = wish;
    this.events = events;
  }

  /** What the reader on the machine is asked for: at first what was wished, later to go on from here. */
  request(): string {
    const { names, follow, tail, since } = this.wish;
    const positions = [...this.positions].map(([name, { pieces, old, caughtUp }]) => [
      name,
      { old, caught_up: caughtUp, pieces: [...pieces].map(([key, piece]) => describePiece(key, piece)) },
    ]);
    const times = [DATE_PATTERN, EPOCH_PATTERN];
    const next_key = this.nextKey;
    return JSON.stringify({ names, follow, tail, since, times, next_key, positions: Object.fromEntries(positions) });
  }

  /** Throws when frames do not continue each other. */
  apply(frame: LogFrame): void {
    if (frame.t === 'piece') this.open(frame);
    else if (frame.t === 'data') this.add(frame);
    else if (frame.t === 'end') this.end(frame.name, frame.key);
    else if (frame.t === 'gap') this.events.gap(frame.name, frame.why);
    else if (frame.t === 'caught_up') this.catchUp(frame.name);
    else if (frame.t === 'done') this.finish();
  }

  /** Lines that never were completed, when nothing more can come. */
  finish(): void {
    for (const [name, { pieces }] of this.positions) for (const key of [...pieces.keys()]) this.end(name, key);
    if (this.isDone) return;
    this.isDone = true;
    this.events.done();
  }

  private position(name: string): Position {
    const known = this.positions.get(name);
    if (known !== undefined) return known;
    const made = { pieces: new Map<number, Piece>(), old: null, caughtUp: false };
    this.positions.set(name, made);
    return made;
  }

  private open({ name, key, id, offset, role, why, gap, old, data }: PieceFrame): void {
    const position = this.position(name);
    position.old = old;
    this.nextKey = Math.max(this.nextKey, key);
    if (role === 'current') for (const piece of position.pieces.values()) piece.role = 'older';
    const lines = position.pieces.get(key)?.lines ?? new LineAssembler();
    position.pieces.set(key, { id, offset, role, anchor: Buffer.from(data), lines });
    if (gap) this.events.gap(name, why === 'emptied' || why === 'rotated' ? why : 'lost');
  }

  private add({ name, key, at, data }: DataFrame): void {
    const { pieces } = this.position(name);
    const piece = pieces.get(key);
    if (piece === undefined || piece.offset !== at) throw notTheReader('its frames do not continue each other');
    // Moved files are read to their ends first: what they left unfinished comes before the first line of the next one.
    if (piece.role === 'current') for (const other of pieces.values()) if (other !== piece) this.giveRest(name, other);
    this.receivedBytes += data.length;
    piece.offset += data.length;
    piece.anchor = lastBytes(piece.anchor, data);
    for (const line of piece.lines.push(data)) this.events.line(name, line);
    if (piece.role === 'current') this.events.partial(name, piece.lines.peek());
  }

  private end(name: string, key: number): void {
    const position = this.positions.get(name);
    const piece = position?.pieces.get(key);
    position?.pieces.delete(key);
    if (piece !== undefined) this.giveRest(name, piece);
  }

  private giveRest(name: string, piece: Piece): void {
    const rest = piece.lines.end();
    if (rest === null) return;
    this.events.partial(name, '');
    this.events.line(name, rest);
  }

  private catchUp(name: string): void {
    const position = this.position(name);
    if (!position.caughtUp) this.events.caughtUp(name);
    position.caughtUp = true;
  }
}

function describePiece(key: number, { id, offset, role, anchor }: Piece): Record<string, unknown> {
  return { key, id, offset, role, anchor: anchor.toString('base64') };
}

function lastBytes(before: Buffer, added: Buffer): Buffer {
  if (added.length >= ANCHOR_BYTES) return Buffer.from(added.subarray(-ANCHOR_BYTES));
  return Buffer.concat([before.subarray(-(ANCHOR_BYTES - added.length)), added]);
}
