import { EXIT, ForgeError } from '../errors.js';

/** vast-api: 256 characters a value. */
const MAX_VALUE_LENGTH = 256;

export function parseEnvPairs(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(pairs.map((pair) => envPair(pair, '--env')));
}

/** Lines of K=V; `#` starts a comment line; a value may stand in one pair of quotes, which are taken off. */
export function parseEnvFile(text: string, file: string): Record<string, string> {
  const entries = text
    .split(/\r?\n/u)
    .map((line, index) => ({ line: line.trim().replace(/^export\s+/u, ''), number: index + 1 }))
    .filter(({ line }) => line !== '' && !line.startsWith('#'))
    .map(({ line, number }) => {
      const [name, value] = envPair(line, `${file}:${number}`);
      return [name, value.replace(/^(["'])(.*)\1$/su, '$2')] as const;
    });
  return Object.fromEntries(entries);
}

function envPair(pair: string, where: string): [string, string] {
  const at = pair.indexOf('=');
  const name = at === -1 ? pair : pair.slice(0, at);
  const value = at === -1 ? '' : pair.slice(at + 1);
  // The value may be a secret, so no message repeats it.
  const problem =
    at === -1
      ? 'has no "="'
      : !/^[A-Za-z_][A-Za-z0-9_]*$/u.test(name)
        ? 'has a name that no shell takes'
        : value.length > MAX_VALUE_LENGTH
          ? `is longer than the ${MAX_VALUE_LENGTH} characters that the API takes`
          : /[\r\n\0]/u.test(value)
            ? 'has a line break in it, which the container environment cannot hold'
            : null;
  if (problem === null) return [name, value];
  throw new ForgeError(`A variable of ${where} ${problem}${at === -1 ? '' : `: ${name.slice(0, 40)}`}.`, {
    code: 'BAD_VARIABLE',
    exit: EXIT.usage,
    hint: 'Write it as NAME=value.',
  });
}
