/** Docker flags that take a value and are not variables: kept as "-p 1111:1111": "1", as the create call wants them (vast-api 4.1). */
const FLAGS_WITH_VALUE = new Set([
  '-p',
  '--publish',
  '-h',
  '--hostname',
  '-v',
  '--volume',
  '--shm-size',
  '--ulimit',
  '--cap-add',
  '--ipc',
  '--device',
]);
const ENV_FLAGS = new Set(['-e', '--env']);

/** Templates hold one string of docker flags; the create call wants an object. Values with spaces are quoted as a shell does. */
export function parseDockerFlags(text: string): Record<string, string> {
  const words = splitWords(text);
  const env: Record<string, string> = {};
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index] ?? '';
    const [flag, joined] = splitFlag(word);
    if (ENV_FLAGS.has(flag)) {
      const pair = joined ?? words[++index] ?? '';
      const at = pair.indexOf('=');
      if (at > 0) env[pair.slice(0, at)] = pair.slice(at + 1);
    } else if (FLAGS_WITH_VALUE.has(flag)) {
      env[`${flag === '--publish' ? '-p' : flag} ${joined ?? words[++index] ?? ''}`] = '1';
    } else if (word.startsWith('-')) {
      env[word] = '1';
    }
  }
  return env;
}

/** `--env=K=V` and `-eK=V` carry their value along; `-p=…` is not docker's form. */
function splitFlag(word: string): [flag: string, value: string | undefined] {
  const long = /^(--[a-z-]+)=(.*)$/su.exec(word);
  if (long !== null) return [long[1] ?? word, long[2]];
  const short = /^(-[epvh])(.+)$/su.exec(word);
  return short === null ? [word, undefined] : [short[1] ?? word, short[2]];
}

/** The reverse, for templates: parseDockerFlags(formatDockerFlags(env)) gives the same object. */
export function formatDockerFlags(env: Record<string, string>): string {
  return Object.entries(env)
    .map(([name, value]) =>
      name.startsWith('-') ? name.split(' ').map(quoteWord).join(' ') : `-e ${quoteWord(`${name}=${value}`)}`,
    )
    .join(' ');
}

function quoteWord(word: string): string {
  return /^[\w@%+=:,./-]+$/u.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Words as a POSIX shell would split them, without expansion: quotes group, a backslash keeps the next character. */
function splitWords(text: string): string[] {
  const words: string[] = [];
  let word: string | null = null;
  let quote: string | null = null;
  for (let index = 0; index < text.length; index += 1) {
    const char = text[index] as string;
    if (quote !== null) {
      if (char === quote) quote = null;
      else if (char === '\\' && quote === '"' && /["\\$`]/u.test(text[index + 1] ?? '')) word += text[++index] ?? '';
      else word += char;
    } else if (char === '"' || char === "'") {
      quote = char;
      word ??= '';
    } else if (char === '\\') {
      word = (word ?? '') + (text[++index] ?? '');
    } else if (/\s/u.test(char)) {
      if (word !== null) words.push(word);
      word = null;
    } else {
      word = (word ?? '') + char;
    }
  }
  if (word !== null) words.push(word);
  return words;
}
