import { lstatSync, mkdirSync, readFileSync, readlinkSync, realpathSync, rmSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { asBytes, configWord } from './openssh-config.js';

/** A file as it is and as it shall be; null is "not there". */
export interface FileChange {
  path: string;
  before: string | null;
  after: string | null;
}

/** Include takes a pattern (glob), so what is special there stands for itself. */
export function includeLine(path: string): string {
  return asBytes(`Include ${configWord(path.replace(/[*?[\]{}\\]/gu, '\\$&'))}\n`);
}

/** In front of everything: a line after a Host block would belong to it. All else stays, byte for byte. */
export function withInclude(config: string | null, line: string): string {
  return hasLine(config ?? '', line) ? (config ?? '') : line + (config ?? '');
}

/** Without our line; null when nothing else is in it, as before there was one. */
export function withoutInclude(config: string | null, line: string): string | null {
  if (config === null || !hasLine(config, line)) return config;
  const at = `\n${config}`.indexOf(`\n${line}`);
  const rest = config.slice(0, at) + config.slice(at + line.length);
  return rest === '' ? null : rest;
}

function hasLine(config: string, line: string): boolean {
  return `\n${config}`.includes(`\n${line}`);
}

/** Latin-1 keeps every byte, whatever the encoding of what the user wrote. */
export function readConfig(path: string): string | null {
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/** Whole or not at all; a link stays a link, and a file keeps its mode and owner. */
export async function applyChange({ path, before, after }: FileChange): Promise<void> {
  if (before === after) return;
  const target = throughLinks(path);
  if (after === null) {
    rmSync(target, { force: true });
    if (target !== path) rmSync(path, { force: true });
    return;
  }
  mkdirSync(dirname(target), { recursive: true, mode: 0o700 });
  const { default: writeFileAtomic } = await import('write-file-atomic');
  await writeFileAtomic(target, Buffer.from(after, 'latin1'), before === null ? { mode: 0o600 } : {});
}

/** Where a link leads, also one whose target does not exist yet. */
function throughLinks(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const isLink = lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;
    return isLink ? resolve(dirname(path), readlinkSync(path)) : path;
  }
}
