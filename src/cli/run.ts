import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EXIT, ForgeError } from '../errors.js';
import { wantsEvents, wantsJson } from './argv.js';
import { describeFailure, failureDocument, failureLines } from './failure.js';
import { ignoreClosedPipes } from './streams.js';

/** The program. Loads oclif only when something has to be parsed: `--version` must cost no more than node itself. */
export async function run(entryUrl: string): Promise<void> {
  ignoreClosedPipes();
  const argv = process.argv.slice(2);
  if (argv.length === 1 && (argv[0] === '--version' || argv[0] === '-v')) {
    process.stdout.write(`${versionLine(packageRoot(entryUrl))}\n`);
    return;
  }
  try {
    await runCommand(argv, entryUrl);
  } catch (error) {
    reportFailure(error, argv);
  }
}

async function runCommand(argv: string[], entryUrl: string): Promise<void> {
  const { Config, Errors, flush, run: runOclif } = await import('@oclif/core');
  const config = await Config.load(packageRoot(entryUrl));
  try {
    await runOclif(argv, config);
    await flush();
  } catch (error) {
    if (error instanceof Errors.ExitError) process.exitCode = error.oclif.exit ?? EXIT.done;
    else if (isUnknownCommand(error)) throw unknownCommand(argv, config.commandIDs);
    else throw error;
  }
}

function isUnknownCommand(error: unknown): boolean {
  return error instanceof Error && /^command .* not found$/u.test(error.message);
}

/** Names the nearest command that exists. */
function unknownCommand(argv: string[], ids: string[]): ForgeError {
  const typed = argv.filter((word) => !word.startsWith('-'));
  const known = ids.map((id) => id.replaceAll(':', ' '));
  const name = [typed.slice(0, 2).join(' '), typed[0] ?? ''].find((words) => words !== '') ?? '';
  const nearest = known
    .map((command) => ({ command, distance: Math.min(...[name, typed[0] ?? ''].map((word) => editDistance(word, command))) }))
    .sort((one, other) => one.distance - other.distance)[0];
  const close = nearest !== undefined && nearest.distance <= Math.max(2, Math.floor(nearest.command.length / 3));
  return new ForgeError(`There is no command "${name}".`, {
    code: 'UNKNOWN_COMMAND',
    exit: EXIT.usage,
    hint: close ? `Did you mean forgectl ${nearest.command}?` : 'Run forgectl --help for the list.',
  });
}

function editDistance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let i = 1; i <= one.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= other.length; j += 1) {
      const substitution = (row[j - 1] ?? 0) + (one[i - 1] === other[j - 1] ? 0 : 1);
      next.push(Math.min(substitution, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[other.length] ?? 0;
}

function reportFailure(error: unknown, argv: string[]): void {
  const command = argv.find((word) => !word.startsWith('-')) ?? null;
  const failure = describeFailure(error, { command: commandWords(argv) ?? command });
  process.exitCode = failure.exit;
  if (wantsJson(argv, process.env)) {
    const document = failureDocument(failure);
    const text = wantsEvents(argv)
      ? JSON.stringify({ event: 'failed', time: new Date().toISOString(), ...document })
      : JSON.stringify(document, null, 2);
    process.stdout.write(`${text}\n`);
    if (failure.stack !== null) process.stderr.write(`${failure.stack}\n`);
    return;
  }
  process.stderr.write(`${failureLines(failure).join('\n')}\n`);
}

/** "context use" for `forgectl context use x`: topics are the words that have commands below them. */
function commandWords(argv: string[]): string | null {
  const [first, second] = argv.filter((word) => !word.startsWith('-'));
  if (first === undefined) return null;
  return ['config', 'context', 'sandbox'].includes(first) && second !== undefined ? `${first} ${second}` : first;
}

function packageRoot(entryUrl: string): string {
  return join(dirname(fileURLToPath(entryUrl)), '..');
}

function versionLine(root: string): string {
  const { name, version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Record<string, string>;
  return `${name}/${version} ${process.platform}-${process.arch} node-${process.version}`;
}
