import type { Range } from './tree-entry.js';

/** GNU's format: names as plain bytes, sizes without a limit, holes, and half the headers of the pax format. */
export const BLOCK = 512;
/** tar writes and reads whole records. */
export const RECORD = 20 * BLOCK;

export interface Header {
  /** Bytes as latin1. */
  name: string;
  typeFlag: string;
  /** Of the data that follows, without padding. */
  storedBytes: number;
  mode: number;
  mtimeS: number;
}

const FIELD = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  typeFlag: [156, 1],
  magic: [257, 8],
  map: [386, 4 * 24],
  isExtended: [482, 1],
  realSize: [483, 12],
} as const satisfies Record<string, readonly [number, number]>;

const MAGIC = 'ustar  \0';
const REGIONS_IN_HEADER = 4;
const REGIONS_IN_BLOCK = 21;
const REGION_BYTES = 24;

export class BrokenArchive extends Error {}

export function padding(bytes: number): number {
  return (BLOCK - (bytes % BLOCK)) % BLOCK;
}

export interface HeaderFields extends Header {
  owner: { uid: number; gid: number };
}

export function writeHeader(fields: HeaderFields): Buffer {
  const block = Buffer.alloc(BLOCK);
  block.write(fields.name.slice(0, FIELD.name[1]), FIELD.name[0], 'latin1');
  writeNumber(block, FIELD.mode, fields.mode);
  writeNumber(block, FIELD.uid, fields.owner.uid);
  writeNumber(block, FIELD.gid, fields.owner.gid);
  writeNumber(block, FIELD.size, fields.storedBytes);
  writeNumber(block, FIELD.mtime, fields.mtimeS);
  block.write(fields.typeFlag, FIELD.typeFlag[0], 'latin1');
  block.write(MAGIC, FIELD.magic[0], 'latin1');
  seal(block);
  return block;
}

/** The header of a file with holes, and the blocks with the rest of its map. */
export function writeSparseHeader(fields: HeaderFields, map: readonly Range[], realSize: number): Buffer[] {
  const header = writeHeader({ ...fields, typeFlag: 'S' });
  writeNumber(header, FIELD.realSize, realSize);
  writeRegions(header, FIELD.map[0], map.slice(0, REGIONS_IN_HEADER));
  const blocks = [header];
  for (let at = REGIONS_IN_HEADER; at < map.length; at += REGIONS_IN_BLOCK) {
    const block = Buffer.alloc(BLOCK);
    writeRegions(block, 0, map.slice(at, at + REGIONS_IN_BLOCK));
    block[REGIONS_IN_BLOCK * REGION_BYTES] = at + REGIONS_IN_BLOCK < map.length ? 1 : 0;
    blocks.push(block);
  }
  header[FIELD.isExtended[0]] = blocks.length > 1 ? 1 : 0;
  seal(header);
  return blocks;
}

/** Null for a block of zeros, which ends an archive. */
export function readHeader(block: Buffer): Header | null {
  if (block[0] === 0 && block.every((byte) => byte === 0)) return null;
  if (checksum(block) !== readNumber(block, FIELD.checksum)) throw new BrokenArchive('a header is damaged');
  const storedBytes = readNumber(block, FIELD.size);
  if (storedBytes < 0) throw new BrokenArchive('a number in a header is out of bounds');
  return {
    name: readText(block, FIELD.name),
    typeFlag: String.fromCharCode(block[FIELD.typeFlag[0]] ?? 0),
    storedBytes,
    mode: readNumber(block, FIELD.mode) & 0o7777,
    mtimeS: readNumber(block, FIELD.mtime),
  };
}

export interface SparsePart {
  regions: Range[];
  /** Another block of the map follows. */
  continues: boolean;
}

export function readSparseHeader(block: Buffer): SparsePart & { realSize: number } {
  return {
    regions: readRegions(block, FIELD.map[0], REGIONS_IN_HEADER),
    continues: block[FIELD.isExtended[0]] === 1,
    realSize: readNumber(block, FIELD.realSize),
  };
}

export function readSparseBlock(block: Buffer): SparsePart {
  return {
    regions: readRegions(block, 0, REGIONS_IN_BLOCK),
    continues: block[REGIONS_IN_BLOCK * REGION_BYTES] === 1,
  };
}

function writeRegions(block: Buffer, from: number, regions: readonly Range[]): void {
  for (const [index, { offset, length }] of regions.entries()) {
    writeNumber(block, [from + index * REGION_BYTES, 12], offset);
    writeNumber(block, [from + index * REGION_BYTES + 12, 12], length);
  }
}

/** An unused place in the map is empty. */
function readRegions(block: Buffer, from: number, count: number): Range[] {
  const regions: Range[] = [];
  for (let at = from; at < from + count * REGION_BYTES; at += REGION_BYTES) {
    if (block[at] === 0 && block[at + 12] === 0) break;
    regions.push({ offset: readNumber(block, [at, 12]), length: readNumber(block, [at + 12, 12]) });
  }
  return regions;
}

function seal(block: Buffer): void {
  const [at] = FIELD.checksum;
  block.write(`${checksum(block).toString(8).padStart(6, '0')}\0 `, at, 'latin1');
}

/** The sum of all bytes, its own field counted as spaces. */
function checksum(block: Buffer): number {
  const [at, length] = FIELD.checksum;
  let sum = 0x20 * length;
  for (let index = 0; index < BLOCK; index += 1) if (index < at || index >= at + length) sum += block[index] ?? 0;
  return sum;
}

function readText(block: Buffer, [at, length]: readonly [number, number]): string {
  const end = block.indexOf(0, at);
  return block.toString('latin1', at, end === -1 || end > at + length ? at + length : end);
}

/** Octal digits; what does not fit is a binary number behind a set first bit. */
function writeNumber(block: Buffer, [at, length]: readonly [number, number], value: number): void {
  const octal = value >= 0 ? value.toString(8) : '';
  if (octal !== '' && octal.length < length) {
    block.write(`${octal.padStart(length - 1, '0')}\0`, at, 'latin1');
    return;
  }
  let rest = BigInt(value);
  for (let index = at + length - 1; index >= at; index -= 1) {
    block[index] = Number(BigInt.asUintN(8, rest));
    rest >>= 8n;
  }
  block[at] = value < 0 ? 0xff : 0x80;
}

function readNumber(block: Buffer, [at, length]: readonly [number, number]): number {
  const first = block[at] ?? 0;
  if (first & 0x80) {
    let value = first === 0xff ? -1n : BigInt(first & 0x7f);
    for (const byte of block.subarray(at + 1, at + length)) value = (value << 8n) | BigInt(byte);
    return safe(Number(value));
  }
  const text = readText(block, [at, length]).trim();
  if (!/^[0-7]*$/u.test(text)) throw new BrokenArchive('a number in a header is damaged');
  return safe(text === '' ? 0 : Number.parseInt(text, 8));
}

function safe(value: number): number {
  if (!Number.isSafeInteger(value)) throw new BrokenArchive('a number in a header is out of bounds');
  return value;
}
