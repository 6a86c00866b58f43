import { withoutEnd } from '../../text-ends.js';
import { type BytePath, fromText, HERE, joinPath, staysInside } from './byte-path.js';
import type { EntryType, TreeEntry } from './tree-entry.js';

/**
 * A tree as `ls` tells of it: the one look into a machine that does not run (vast-api 6.1). Blocks are asked for because
 * their sum stands at the head of each directory, so that a list with a piece missing is noticed.
 */
export function lsCommand(directory: string): string {
  return `ls -AilnsRQ --full-time --block-size=1 --color=never ${withoutEnd(directory, '/')}/`;
}

/** How many there are, as the platform may be asked, too: files without blocks show in no sum. */
export function countCommand(directory: string): string {
  return `du -s --inodes ${withoutEnd(directory, '/')}/`;
}

export function parseInodes(output: string): number | null {
  const [, count] = /^(\d+)\t/u.exec(output) ?? [];
  return count === undefined ? null : Number(count);
}

export interface LsListing {
  /** The directory itself first, with a mode that `ls` has not told. */
  entries: TreeEntry[];
  complaints: string[];
  /** Of all of it, further names of a file counted once. */
  inodes: number;
}

const QUOTED = String.raw`"(?:[^"\\]|\\.)*"`;
const HEAD = new RegExp(`^(${QUOTED}):$`, 'u');
const TOTAL = /^total (\d+)$/u;
const NUMBERS = String.raw`(\d+)\s+(\d+)\s+(\S)([r-][w-][xsS-][r-][w-][xsS-][r-][w-][xtT-])[.+@]?\s+(\d+)\s+(\d+)\s+(\d+)`;
const SIZE = String.raw`(\d+|\d+,\s*\d+)`;
const TIME = String.raw`(\d{4,}-\d\d-\d\d \d\d:\d\d:\d\d)(?:\.(\d{1,9}))? ([+-]\d\d)(\d\d)`;
const ENTRY = new RegExp(String.raw`^\s*${NUMBERS}\s+${SIZE}\s+${TIME} (${QUOTED})(?: -> (${QUOTED}))?$`, 'u');

interface Section {
  path: BytePath;
  totalBytes: number;
}

/** Null when it is not such a list, or not all of it. */
export function parseLs(output: string): LsListing | null {
  const entries: TreeEntry[] = [];
  const complaints: string[] = [];
  const missing = new Set<BytePath>();
  let base: string | null = null;
  let section: Section | null = null;
  for (const line of output.split('\n')) {
    const head = HEAD.exec(line)?.[1];
    const total = TOTAL.exec(line)?.[1];
    if (head !== undefined) {
      if (section !== null && section.totalBytes !== 0) return null;
      const path = withoutEnd(unquote(head), '/');
      base ??= path;
      const below: string = path.slice(base.length + 1);
      if (path !== base && !(path.startsWith(`${base}/`) && missing.delete(below as BytePath))) return null;
      section = { path: below as BytePath, totalBytes: 0 };
    } else if (total !== undefined && section !== null) section.totalBytes += Number(total);
    else if (line.startsWith('ls: ')) complaints.push(line.slice('ls: '.length));
    else if (line.trim() !== '') {
      const entry = section === null ? null : readEntry(line, section);
      if (entry === null) return null;
      entries.push(entry);
      if (entry.type === 'directory') missing.add(entry.path);
    }
  }
  const isWhole = section?.totalBytes === 0 && (missing.size === 0 || complaints.length > 0);
  if (!isWhole) return null;
  const all = [rootEntry(), ...entries];
  return { entries: all, complaints, inodes: new Set(all.map(({ inode }, at) => inode ?? at)).size };
}

const TYPES: Record<string, EntryType> = { '-': 'file', d: 'directory', l: 'link' };

/** Takes its blocks from what is left of the section's. */
function readEntry(line: string, section: Section): TreeEntry | null {
  const found = ENTRY.exec(line);
  if (found === null) return null;
  const [, inode = '', blocks, kind = '', rights = '', names, uid, gid, size] = found;
  const [clock = '', fraction = '', hours = '', minutes = '', name = '', target] = found.slice(9);
  section.totalBytes -= Number(blocks);
  const own = unquote(name);
  if (!staysInside(own) || own.includes('/')) return null;
  const type = TYPES[kind] ?? 'other';
  const isFile = type === 'file';
  return {
    path: joinPath(section.path, own as BytePath),
    type,
    size: isFile ? Number(size) : 0,
    mode: readMode(rights),
    mtimeNs: readTime({ clock, fraction, hours, minutes }),
    target: type === 'link' ? (unquote(target ?? '""') as BytePath) : null,
    inode: isFile && Number(names) > 1 ? inode : null,
    allocatedBytes: isFile ? Number(blocks) : 0,
    owner: { uid: Number(uid), gid: Number(gid) },
  };
}

function rootEntry(): TreeEntry {
  return {
    path: HERE,
    type: 'directory',
    size: 0,
    mode: 0o755,
    mtimeNs: 0n,
    target: null,
    inode: null,
    allocatedBytes: 0,
    owner: { uid: 0, gid: 0 },
  };
}

/** "rwsr-xr-t" */
function readMode(rights: string): number {
  let mode = 0;
  for (const [at, letter] of [...rights].entries()) {
    if (/[rwxst]/u.test(letter)) mode |= 0o400 >> at;
  }
  return mode;
}

function readTime(parts: { clock: string; fraction: string; hours: string; minutes: string }): bigint {
  const { clock, fraction, hours, minutes } = parts;
  const zoneS = (Math.abs(Number(hours)) * 60 + Number(minutes)) * 60 * (hours.startsWith('-') ? -1 : 1);
  const seconds = Date.parse(`${clock.replace(' ', 'T')}Z`) / 1000 - zoneS;
  return BigInt(seconds) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0'));
}

const LETTERS: Record<string, string> = { a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' };

/** As in C: letters and octal bytes behind a backslash. What is not quoted is the text of a UTF-8 locale. */
function unquote(word: string): string {
  return fromText(word.slice(1, -1)).replace(/\\([0-7]{3}|.)/gsu, (_, code: string) =>
    code.length === 3 ? String.fromCharCode(Number.parseInt(code, 8)) : (LETTERS[code] ?? code),
  );
}
