import { EXIT, ForgeError } from '../errors.js';
import { palette } from '../ui/color.js';
import { printable } from '../ui/door.js';
import { PrefixedLines } from '../ui/prefixed-lines.js';
import { cleanLine } from '../ui/sanitize.js';
import type { Instance } from '../vast/model.js';
import type { ForgeContext } from './context.js';
import { execDocument, KeptOutput } from './exec-output.js';
import { type ManyRun, type RunResult, runOnMany } from './remote-run-many.js';
import { exitStatus, ReaderGone } from './running-command.js';
import { nameOf } from './select-instances.js';

type Request = Omit<ManyRun, 'outputOf'>;

const LONGEST_NAME = 24;

/** For --json: everything that was printed, bounded, in one document. */
export async function execIntoDocument(
  context: ForgeContext,
  instances: readonly Instance[],
  { isFleet, ...request }: Request & { isFleet: boolean },
): Promise<Record<string, unknown>> {
  const outputs = new Map(instances.map(({ id }) => [id, { stdout: new KeptOutput(), stderr: new KeptOutput() }]));
  const outputOf = ({ id }: Instance) => outputs.get(id) as { stdout: KeptOutput; stderr: KeptOutput };
  const results = await runOnMany(context, instances, { ...request, outputOf });
  const document = { instances: results.map((result) => execDocument(result, outputOf(result.instance))) };
  const [only] = results;
  if (isFleet || only === undefined) settleExit(context, results);
  else if (only.error !== null) throw withDetails(only.error, document);
  else process.exitCode = only.outcome === null ? EXIT.unexpected : exitStatus(only.outcome);
  return document;
}

/** For people: lines as they come, each with the name of its machine; what failed is said at the end. */
export async function execIntoLines(
  context: ForgeContext,
  instances: readonly Instance[],
  request: Request,
): Promise<void> {
  try {
    const results = await runIntoLines(context, instances, request);
    for (const result of results) {
      const words = failureWords(result);
      if (words !== null) context.reporter.warn(`${nameOf(result.instance)}: ${words}`);
    }
    settleExit(context, results);
  } catch (error) {
    if (!(error instanceof ReaderGone)) throw error;
  }
}

async function runIntoLines(
  context: ForgeContext,
  instances: readonly Instance[],
  request: Request,
): Promise<RunResult[]> {
  const { terminal } = context;
  const [{ marks: onStdout }, { marks: onStderr }] = await Promise.all([
    palette(terminal.colorOnStdout),
    palette(terminal.colorOnStderr),
  ]);
  const names = shortNames(instances);
  const prefix = (id: number, colors: ((text: string) => string)[]): string => {
    const index = instances.findIndex((instance) => instance.id === id);
    return printable(`${(colors[index % colors.length] as (text: string) => string)(names[index] as string)} | `);
  };
  const lines = (id: number, into: NodeJS.WriteStream, colors: ((text: string) => string)[]): PrefixedLines =>
    new PrefixedLines({ prefix: prefix(id, colors), into, isTerminal: into.isTTY === true });
  return runOnMany(context, instances, {
    ...request,
    outputOf: ({ id }) => ({
      stdout: lines(id, process.stdout, onStdout),
      stderr: lines(id, process.stderr, onStderr),
    }),
  });
}

function failureWords({ outcome, error }: RunResult): string | null {
  if (error !== null) return `${error.message}${error.hint === null ? '' : `\n  ${error.hint}`}`;
  if (outcome?.signal != null) return `ended by SIG${outcome.signal}.`;
  return outcome?.exitCode === 0 ? null : `exit ${outcome?.exitCode}.`;
}

function settleExit({ interruption }: ForgeContext, results: readonly RunResult[]): void {
  if (interruption.signal.aborted) process.exitCode = (interruption.signal.reason as ForgeError).exit;
  else if (results.some(({ outcome, error }) => error !== null || outcome?.exitCode !== 0))
    process.exitCode = EXIT.partlyFailed;
}

function withDetails({ message, code, exit, hint, details, cause }: ForgeError, more: object): ForgeError {
  return new ForgeError(message, { code, exit, hint, cause, details: { ...details, ...more } });
}

/** Labels where they tell the machines apart, ids where they do not; one width for all. */
function shortNames(instances: readonly Instance[]): string[] {
  const labels = instances.map(({ label }) => [...cleanLine(label ?? '')].slice(0, LONGEST_NAME).join(''));
  const names = instances.map(({ id }, index) => {
    const label = labels[index] as string;
    return label === '' || labels.filter((other) => other === label).length > 1 ? String(id) : label;
  });
  const width = Math.max(...names.map((name) => [...name].length));
  return names.map((name) => name + ' '.repeat(width - [...name].length));
}
