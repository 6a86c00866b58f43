import { EXIT, ForgeError } from '../errors.js';
import { withoutEnds } from '../text-ends.js';

export interface HostEntry {
  /** Safe ones only: see safeAlias. */
  aliases: readonly string[];
  /** One line for people. */
  comment: string;
  user: string;
  /** The name in the file of pinned keys, and what ssh calls the host. */
  hostKeyAlias: string;
  knownHostsFile: string;
  /** Private keys, or public halves of keys that the agent holds. */
  identityFiles: readonly string[];
  /** The command whose stdin and stdout are the connection. */
  proxyWords: readonly string[];
}

const HEAD = '# Written by forgectl, and written anew by: forgectl ssh-config --write\n';
const begin = (name: string): string => `# >>> ${name}\n`;
const end = (name: string): string => `# <<< ${name}\n`;

/**
 * Files that others write too are kept as bytes, one a character (latin1), whatever their encoding.
 * A file of our own with one section a context; null takes the section away. Null when nothing is left.
 */
export function withSection(file: string | null, name: string, entries: readonly HostEntry[] | null): string | null {
  const sections = readSections(file ?? '').filter((section) => section.name !== name);
  if (entries !== null) sections.push({ name, text: asBytes(entries.map(renderHost).join('\n')) });
  if (sections.length === 0) return null;
  sections.sort((one, other) => (one.name < other.name ? -1 : 1));
  return [HEAD, ...sections.map(({ name: of, text }) => `\n${begin(of)}${text}${end(of)}`)].join('');
}

export function asBytes(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** Names that hosts of other sections have. */
export function aliasesOfOthers(file: string | null, name: string): Set<string> {
  const others = readSections(file ?? '').filter((section) => section.name !== name);
  return literalHosts(others.map(({ text }) => text).join('\n'));
}

/** Names that stand for themselves in Host lines of a configuration: somebody means another machine by them. */
export function literalHosts(config: string): Set<string> {
  const lines = config.matchAll(/^[ \t]*host(?:[ \t]*=[ \t]*|[ \t]+)(.*)$/gimu);
  const words = [...lines].flatMap(([, list = '']) => list.split(/[\s,]+/u).map((word) => word.replaceAll('"', '')));
  return new Set(words.filter((word) => word !== '' && !/[*?!#]/u.test(word)));
}

/**
 * A label as a name for ssh: nothing in it is a pattern, an option, a second word, or a domain (a label "github.com" must
 * not take that host away). Null when nothing is left.
 */
export function safeAlias(label: string): string | null {
  const name = withoutEnds(label.replace(/[^A-Za-z0-9_-]+/gu, '-').slice(0, 60), '-');
  return name === '' || name.toLowerCase() === 'localhost' ? null : name;
}

function renderHost(entry: HostEntry): string {
  const { aliases, comment, user, hostKeyAlias, knownHostsFile, identityFiles, proxyWords } = entry;
  const lines = [
    `# ${comment.replace(/\p{Cc}+/gu, ' ')}`,
    `Host ${aliases.join(' ')}`,
    `  HostName ${hostKeyAlias}`,
    `  User ${user}`,
    `  ProxyCommand ${proxyWords.map(shellWord).join(' ')}`,
    // forgectl has logged in, and pinned the key, before ssh sees the first byte.
    `  HostKeyAlias ${hostKeyAlias}`,
    `  UserKnownHostsFile ${configWord(knownHostsFile)}`,
    '  GlobalKnownHostsFile /dev/null',
    '  StrictHostKeyChecking yes',
    '  UpdateHostKeys no',
    '  CheckHostIP no',
    ...identityFiles.map((file) => `  IdentityFile ${configWord(file)}`),
    '  IdentitiesOnly yes',
    // The platform greets with a banner, which is in the way of every rsync.
    '  LogLevel ERROR',
    '  ServerAliveInterval 15',
    '  ServerAliveCountMax 4',
  ];
  return `${lines.join('\n')}\n`;
}

function readSections(file: string): { name: string; text: string }[] {
  return [...file.matchAll(/^# >>> (.+)\n([\s\S]*?)^# <<< \1\n/gmu)].map(([, name = '', text = '']) => ({
    name,
    text,
  }));
}

/** One word of ssh_config(5): quoted, and no token or variable of its own. */
export function configWord(path: string): string {
  if (/[\0\r\n]|\$\{/u.test(path)) throw unspeakable(path);
  return `"${path.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('%', '%%')}"`;
}

/**
 * One word of a ProxyCommand: for the user's shell, after ssh has replaced its tokens. Double quotes, because ssh wants its
 * own kind of quotes balanced in the line too, and there `\\` escapes a single quote.
 */
function shellWord(word: string): string {
  if (/[\0\r\n]/u.test(word)) throw unspeakable(word);
  const quoted = /^[\w@+:,./=-]+$/u.test(word) ? word : `"${word.replace(/[\\"$`]/gu, '\\$&')}"`;
  return quoted.replaceAll('%', '%%');
}

function unspeakable(path: string): ForgeError {
  return new ForgeError(`ssh's configuration cannot hold the path ${JSON.stringify(path)}.`, {
    code: 'BAD_CONFIG_PATH',
    exit: EXIT.usage,
    hint: 'Use a path without line breaks and without "${".',
  });
}
