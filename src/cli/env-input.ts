import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { EXIT, ForgeError } from '../errors.js';
import { DotenvFile } from '../instance/dotenv/dotenv-file.js';
import { checkVariableName, checkVariableValue } from '../instance/dotenv/variable-name.js';
import { ensurePort } from '../instance/forge-args.js';
import type { ForgeContext } from './context.js';

export interface VariableInput {
  words: readonly string[];
  /** A file in the manner of .env; "-" is stdin. */
  fromFile: string | null;
  /** Values are taken as they stand: no @FILE, no "-". */
  literal: boolean;
}

/** A word of the line that is surely a variable. */
export function looksLikeVariable(word: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_]*=/u.test(word);
}

/** NAME=value, NAME=@FILE, NAME=- (stdin), and NAME alone, which is asked for, hidden. */
export async function readVariables(context: ForgeContext, input: VariableInput): Promise<Map<string, string>> {
  const { words, fromFile, literal } = input;
  for (const word of words) checkVariableName(word.split('=', 1)[0] ?? '');
  if (words.length === 0 && fromFile === null) throw nothingGiven();
  const readsStdin = words.filter((word) => !literal && word.endsWith('=-') && word.indexOf('=') === word.length - 2);
  if (readsStdin.length + (fromFile === '-' ? 1 : 0) > 1) throw stdinTwice();
  const values = fromFile === null ? new Map<string, string>() : await readDotenvInput(fromFile);
  for (const word of words) values.set(...(await readPair(context, word, literal)));
  for (const [name, value] of values) {
    checkVariableName(name);
    checkVariableValue(name, value);
  }
  return values;
}

async function readPair(context: ForgeContext, word: string, literal: boolean): Promise<[string, string]> {
  const at = word.indexOf('=');
  if (at === -1) return [word, await askFor(context, word)];
  const [name, value] = [word.slice(0, at), word.slice(at + 1)];
  if (literal) return [name, value];
  if (value === '-') return [name, textOf(await buffer(process.stdin), name)];
  return [name, value.startsWith('@') ? textOf(await readInput(value.slice(1)), name) : value];
}

async function askFor({ prompts, terminal }: ForgeContext, name: string): Promise<string> {
  if (!terminal.canPrompt)
    throw prompts.needAnswer([`${name}=VALUE`, `${name}=@FILE`, `${name}=-`], `The value of ${name}`);
  return prompts.password(`${name} (not shown)`);
}

/** Without its last line break, which editors and echo put there. */
function textOf(bytes: Buffer, name: string): string {
  const text = bytes.toString('utf8');
  if (!Buffer.from(text, 'utf8').equals(bytes)) throw notText(name);
  return text.replace(/\r?\n$/u, '');
}

async function readDotenvInput(file: string): Promise<Map<string, string>> {
  const bytes = file === '-' ? await buffer(process.stdin) : await readInput(file);
  const dotenv = new DotenvFile(bytes);
  const name = file === '-' ? 'stdin' : file;
  const [line] = [
    ...dotenv.shellLines(),
    ...dotenv.entries().flatMap((entry) => (entry.value === null ? [entry.line] : [])),
  ];
  if (line !== undefined) throw notPlain(name, line);
  return new Map(dotenv.entries().map((entry) => [entry.name, entry.value ?? '']));
}

async function readInput(file: string): Promise<Buffer> {
  return readFile(file).catch((cause: NodeJS.ErrnoException) => {
    throw new ForgeError(`The file ${file} cannot be read (${cause.code}).`, {
      code: 'ENV_FILE',
      exit: EXIT.usage,
      hint: 'Check the path. A value that begins with "@" is given with --literal.',
      cause,
    });
  });
}

/** FORGE_ARGS as it has to be; what was done to it is told. */
export function keepPort(values: Map<string, string>): string | null {
  const given = values.get('FORGE_ARGS');
  if (given === undefined) return null;
  const { args, replacedPort } = ensurePort(given);
  if (args === given) return null;
  values.set('FORGE_ARGS', args);
  return replacedPort === null
    ? 'FORGE_ARGS keeps its port: --port 17860 stands at its end, because 7860 belongs to the proxy.'
    : 'FORGE_ARGS keeps its port: --port 17860, because the proxy and the tunnels look for Forge there.';
}

function nothingGiven(): ForgeError {
  return new ForgeError('Which variables?', {
    code: 'VARIABLE_NEEDED',
    exit: EXIT.usage,
    hint: 'Give NAME=value, NAME alone to be asked for it, or --from-file FILE.',
  });
}

function stdinTwice(): ForgeError {
  return new ForgeError('stdin can be read once only.', {
    code: 'USAGE',
    exit: EXIT.usage,
    hint: 'Give the others as NAME=@FILE, or all of them with --from-file -.',
  });
}

function notText(name: string): ForgeError {
  return new ForgeError(`What was given for ${name} is not UTF-8 text.`, {
    code: 'BAD_VARIABLE',
    exit: EXIT.usage,
    hint: 'A variable is text.',
  });
}

function notPlain(file: string, line: number): ForgeError {
  return new ForgeError(`Line ${line} of ${file} is not a plain NAME=value.`, {
    code: 'ENV_FILE',
    exit: EXIT.usage,
    hint: "Quote what a shell would act on: NAME='value'. Commands and other variables are not taken from a file.",
  });
}
