import { EXIT, ForgeError } from '../errors.js';
import { FORGE_INTERNAL_PORT } from './layout.js';

/**
 * FORGE_ARGS with exactly one `--port 17860` at its end. The image's default holds only while the variable is empty, so
 * `--api` alone would move Forge to the port that its proxy owns (traps 21). The user's other words are kept as typed. Throws
 * wrong usage for what would swallow the port: a quote that is not closed, a comment, the end of a command.
 */
export function ensurePort(args: string): { args: string; replacedPort: string | null } {
  const words = splitKeepingQuotes(args);
  if (words.some((word) => !CLOSED_WORD.test(word))) throw badArgs('a quote or a backslash that is not closed');
  const loose = words.find((word) => word.startsWith('#') || SHELL_SYNTAX.test(word.replace(QUOTED, '')));
  if (loose !== undefined) throw badArgs(`${JSON.stringify(loose)}, which a shell would act on; put it in quotes`);
  const { kept, port } = withoutPort(words);
  const replacedPort = port === null || port === String(FORGE_INTERNAL_PORT) ? null : port;
  return { args: [...kept, `--port ${FORGE_INTERNAL_PORT}`].join(' '), replacedPort };
}

const CLOSED_WORD = /^(?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+$/su;
const QUOTED = /\\.|"(?:[^"\\]|\\.)*"|'[^']*'/gsu;
/** Unquoted, these end the command or begin another, where the image's wrapper lets a shell read the variable (not documented). */
const SHELL_SYNTAX = /[;&|<>()`]/u;

function badArgs(what: string): ForgeError {
  return new ForgeError(`The arguments for Forge have ${what}.`, {
    code: 'BAD_FORGE_ARGS',
    exit: EXIT.usage,
    hint: 'Check --forge-args (and FORGE_ARGS in --env or the template).',
  });
}

function withoutPort(words: readonly string[]): { kept: string[]; port: string | null } {
  const kept: string[] = [];
  let port: string | null = null;
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index] ?? '';
    if (word.startsWith('--port=')) port = word.slice('--port='.length);
    else if (word === '--port') port = words[++index] ?? '';
    else kept.push(word);
  }
  return { kept, port: port?.replace(/^["']|["']$/gu, '') ?? null };
}

/** Splits at white space outside quotes and leaves the quotes where they are. */
function splitKeepingQuotes(text: string): string[] {
  return text.match(/(?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"?|'[^']*'?|\\$)+/gsu) ?? [];
}

/** For output: values of flags that carry a user name and password are hidden. */
export function hideCredentials(args: string): string {
  return args.replace(/(--(?:gradio-auth|api-auth|gradio-auth-path)(?:\s+|=))("[^"]*"|'[^']*'|\S+)/gu, '$1[redacted]');
}
