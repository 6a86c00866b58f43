import { REDACTED, redactSecrets } from './redact.js';

/** Shorter values occur in every text: "1" is what a template sets as a token. */
const SHORTEST = 6;

/** Values that are taken out of texts wherever a piece of one stands that is too long to be there by chance. */
export class KnownValues {
  /** By their length, the shortest pieces that tell a value. */
  private readonly pieces = new Map<number, Set<string>>();
  private readonly beginnings = new Uint8Array(0x10000);
  private readonly seen = new Set<string>();

  constructor(values: Iterable<string> = []) {
    for (const value of values) this.add(value);
  }

  /** In all the ways in which somebody may quote it. One that is too short is passed over. */
  add(value: string, shortest = SHORTEST): void {
    const text = value.trim();
    if (text.length < shortest || this.seen.has(text) || REDACTED.includes(text)) return;
    this.seen.add(text);
    for (const form of formsOf(text)) this.addPieces(form);
  }

  /** The same for each text in a document, names of fields too: an answer may have what it quotes anywhere. */
  hideIn(document: unknown): unknown {
    if (typeof document === 'string') return this.hide(document);
    if (Array.isArray(document)) return document.map((item) => this.hideIn(item));
    if (typeof document !== 'object' || document === null) return document;
    return Object.fromEntries(Object.entries(document).map(([name, item]) => [this.hide(name), this.hideIn(item)]));
  }

  hide(text: string): string {
    if (this.pieces.size === 0) return text;
    let shown = '';
    let at = 0;
    for (const [start, end] of this.found(text)) {
      shown += text.slice(at, start) + REDACTED;
      at = end;
    }
    return shown + text.slice(at);
  }

  private addPieces(form: string): void {
    const length = pieceLength(form.length);
    const pieces = this.pieces.get(length) ?? new Set();
    this.pieces.set(length, pieces);
    for (let at = 0; at + length <= form.length; at += 1) {
      pieces.add(form.slice(at, at + length));
      this.beginnings[beginning(form, at)] = 1;
    }
  }

  /** Places that are covered by pieces, in order, those that touch made one. */
  private found(text: string): [number, number][] {
    const places: [number, number][] = [];
    for (let at = 0; at < text.length; at += 1) {
      if (this.beginnings[beginning(text, at)] !== 1) continue;
      let end = at;
      for (const [length, pieces] of this.pieces)
        if (pieces.has(text.slice(at, at + length))) end = Math.max(end, at + length);
      if (end === at) continue;
      const last = places.at(-1);
      if (last !== undefined && at <= last[1]) last[1] = Math.max(last[1], end);
      else places.push([at, end]);
    }
    return places;
  }
}

/** A number for four characters, so that most places of a text need no further look. */
function beginning(text: string, at: number): number {
  const code = (index: number): number => text.charCodeAt(at + index) || 0;
  return (code(0) * 31 + code(1) * 1009 + code(2) * 8191 + code(3) * 127) & 0xffff;
}

/** An answer may quote a beginning only. Of a short value most must be there, or words of the language would be hidden. */
function pieceLength(length: number): number {
  return length <= 12 ? Math.max(Math.min(length, SHORTEST), Math.ceil(length * 0.75)) : 10;
}

/** As JSON, addresses, a shell and base64 have it. */
function formsOf(value: string): Set<string> {
  const whole = value.replace(/\p{Surrogate}/gu, '\ufffd');
  const encoded = encodeURIComponent(whole);
  const json = JSON.stringify(value).slice(1, -1);
  const ascii = json.replace(/[^\x20-\x7e]/gu, (sign) =>
    [...Array(sign.length).keys()].map((at) => `\\u${sign.charCodeAt(at).toString(16).padStart(4, '0')}`).join(''),
  );
  return new Set([
    value,
    json,
    ascii,
    JSON.stringify(json).slice(1, -1),
    json.replaceAll('/', '\\/'),
    encoded,
    encoded.replace(/%[0-9A-F]{2}/gu, (sign) => sign.toLowerCase()),
    encoded.replaceAll('%20', '+'),
    encodeURI(whole),
    encodeURIComponent(JSON.stringify(whole).slice(1, -1)),
    value.replaceAll("'", `'\\''`),
    Buffer.from(whole)
      .toString('base64')
      .replace(/={1,2}$/u, ''),
  ]);
}

/** Takes out what looks like a secret, and these values. */
export function createRedactor(secrets: readonly (string | null)[]): (text: string) => string {
  const known = new KnownValues(secrets.filter((value) => value !== null));
  return (text) => redactSecrets(known.hide(text));
}
