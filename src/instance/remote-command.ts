import { EXIT, ForgeError } from '../errors.js';

/** A path of the image, on a machine that may live in a directory (`FORGECTL_ROOT`; unset on a real one). */
export interface MachinePath {
  machinePath: string;
}

/** One word of a command. Bytes are for file names, which need not be UTF-8. */
export type Word = string | Uint8Array | MachinePath;

/** Words, or a line that was built here. */
export type RemoteCommand = readonly Word[] | string;

export function onMachine(path: string): MachinePath {
  return { machinePath: path };
}

/** The only place where words become a shell line: bash reads back exactly the words that were given. */
export function quote(words: readonly Word[]): string {
  return words.map(quoteWord).join(' ');
}

/** The status is the last command's that failed, if any did. */
export function pipe(...commands: RemoteCommand[]): string {
  return `{ set -o pipefail\n${commands.map(group).join(' | ')}\n}`;
}

export function and(...commands: RemoteCommand[]): string {
  return commands.map(group).join(' && ');
}

/** Runs the command there, and nowhere when there is no such directory. */
export function inDirectory(directory: Word, command: RemoteCommand): string {
  // "-" would mean the directory before, and a bare name would be looked up in CDPATH.
  const place = typeof directory === 'string' && !directory.startsWith('/') ? `./${directory}` : directory;
  return `(${and(['cd', '--', place], command)}\n)`;
}

function group(command: RemoteCommand): string {
  return typeof command === 'string' ? `{ ${command}\n}` : quote(command);
}

function quoteWord(word: Word): string {
  if (typeof word === 'string') return quoteText(word);
  if ('machinePath' in word) return `"\${FORGECTL_ROOT-}"${quoteText(word.machinePath)}`;
  const text = Buffer.from(word).toString('utf8');
  return Buffer.from(text, 'utf8').equals(Buffer.from(word)) ? quoteText(text) : quoteBytes(word);
}

function quoteText(text: string): string {
  if (text.includes('\0')) throw unspeakable('a NUL byte');
  if (/\p{Surrogate}/u.test(text)) throw unspeakable('half of a character');
  return /^[\w@%+:,./-]+$/u.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

function quoteBytes(bytes: Uint8Array): string {
  if (bytes.includes(0)) throw unspeakable('a NUL byte');
  return `$'${[...bytes].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')}'`;
}

function unspeakable(what: string): ForgeError {
  return new ForgeError(`A word for a remote command holds ${what}, which no command can be given.`, {
    code: 'BAD_REMOTE_WORD',
    exit: EXIT.usage,
    hint: 'Check the names and values that were typed.',
  });
}
