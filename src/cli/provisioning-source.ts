import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { EXIT, ForgeError } from '../errors.js';
import { shownAddress } from '../instance/provisioning-state.js';

/** A script or a manifest that was named on the line. */
export interface ProvisioningFile {
  /** Null for what the machine itself is to fetch. */
  text: string | null;
  url: string | null;
  kind: 'script' | 'manifest';
  /** For people and logs: no token of an address is in it. */
  name: string;
}

const MAX_BYTES = 1024 * 1024;
const FETCH_LIMIT_MS = 10_000;

function isAddress(word: string): boolean {
  return /^https?:\/\//iu.test(word);
}

/** What a file or an address holds; `fetches` false leaves an address to the machine. */
export async function readProvisioning(word: string, { fetches }: { fetches: boolean }): Promise<ProvisioningFile> {
  if (!isAddress(word)) {
    const text = await readText(word);
    return { text, url: null, kind: kindOf(word), name: basename(word) };
  }
  const url = parsedUrl(word);
  const name = shownAddress(url.href) ?? word;
  return { text: fetches ? await fetchText(url, name) : null, url: url.href, kind: kindOf(url.pathname), name };
}

function kindOf(path: string): ProvisioningFile['kind'] {
  return /\.ya?ml$/iu.test(path) ? 'manifest' : 'script';
}

async function readText(file: string): Promise<string> {
  const bytes = await readFile(file).catch((cause: NodeJS.ErrnoException) => {
    throw bad(`The file ${file} cannot be read (${cause.code}).`, 'FILE_NOT_READ');
  });
  return checkedText(bytes, file);
}

async function fetchText(url: URL, name: string): Promise<string> {
  const answer = await fetch(url, { signal: AbortSignal.timeout(FETCH_LIMIT_MS) }).catch(() => null);
  if (answer?.ok !== true) {
    throw new ForgeError(`${name} cannot be fetched${answer === null ? '' : ` (HTTP ${answer.status})`}.`, {
      code: 'URL_NOT_READ',
      exit: EXIT.notFound,
      hint: 'Check the address; a machine would not get it either.',
    });
  }
  return checkedText(Buffer.from(await answer.arrayBuffer()), name);
}

function checkedText(bytes: Buffer, name: string): string {
  if (bytes.length > MAX_BYTES) throw bad(`${name} is larger than 1 MiB; that is no script.`, 'FILE_TOO_LARGE');
  if (bytes.includes(0)) throw bad(`${name} is not text.`, 'FILE_NOT_TEXT');
  const text = bytes.toString('utf8');
  if (text.trim() === '') throw bad(`${name} is empty.`, 'FILE_EMPTY');
  return text;
}

function parsedUrl(word: string): URL {
  if (/[\p{Cc}\s]/u.test(word) || !URL.canParse(word)) throw bad('That is not an address.', 'BAD_URL');
  return new URL(word);
}

function bad(message: string, code: string): ForgeError {
  return new ForgeError(message, {
    code,
    exit: EXIT.usage,
    hint: 'Give a script (bash) or a manifest (.yaml), as a file or an address.',
  });
}
