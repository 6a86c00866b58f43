import { randomBytes } from 'node:crypto';
import { EXIT, ForgeError } from '../errors.js';
import { quoted } from '../secrets/sent.js';
import type { Shell, ShellOptions } from '../ssh/shell.js';
import { ACTIVATE_PYTHON, EXTEND_PATH, LOAD_ENVIRONMENT } from './environment-script.js';

export interface ScriptOptions {
  /** Loads the variables that services have, and activates the machine's python. A cheap look does without. */
  withEnvironment?: boolean;
}

export interface MarkedOutput {
  output: string;
  /** Null when the end never came: the output is a part. */
  exitCode: number | null;
}

/** Nothing that the machine prints on its own, its logs included, can hold it. */
export function newMarker(): string {
  return `__forgectl_${randomBytes(16).toString('hex')}__`;
}

/** What a script begins with that nobody's environment comes along with, as at the machine's start. */
export const SERVICE_ENVIRONMENT = [
  // biome-ignore lint/suspicious/noTemplateCurlyInString: bash's, not ours
  'ROOT="${FORGECTL_ROOT-}"',
  LOAD_ENVIRONMENT,
  EXTEND_PATH,
  ACTIVATE_PYTHON,
].join('\n');

/**
 * Wraps work for the machine's bash. `ROOT` is empty on a real machine; a machine that lives in a directory says so.
 * Output before the first marker (banners, activation lines) does not count. The work may exit: it runs apart.
 */
export function wrapScript(work: string, marker: string, { withEnvironment = false }: ScriptOptions = {}): string {
  return [
    // biome-ignore-start lint/suspicious/noTemplateCurlyInString: bash's, not ours
    'set +eu',
    'ROOT="${FORGECTL_ROOT-}"',
    withEnvironment ? LOAD_ENVIRONMENT : 'WORKSPACE="${WORKSPACE:-$ROOT/workspace}"',
    EXTEND_PATH,
    // biome-ignore-end lint/suspicious/noTemplateCurlyInString: bash's, not ours
    withEnvironment ? ACTIVATE_PYTHON : '',
    `printf '\\n%s\\n' '${marker}:begin'`,
    // bash reads a group to its end before it runs it, so nothing in it can eat the rest of the script from stdin, and
    // a script that was cut on its way does nothing at all.
    `(\n${work}\n) </dev/null`,
    `printf '\\n%s%d\\n' '${marker}:end:' "$?"`,
    'exit 0',
    '',
  ].join('\n');
}

/** What was printed between the markers; null when the work never began. */
export function readMarked(stdout: string, marker: string): MarkedOutput | null {
  const begin = `\n${marker}:begin\n`;
  const from = `\n${stdout}`.indexOf(begin);
  if (from === -1) return null;
  const rest = `\n${stdout}`.slice(from + begin.length);
  const at = `\n${rest}`.lastIndexOf(`\n${marker}:end:`);
  const exitCode = /^(\d{1,3})\r?\n/u.exec(rest.slice(at + `${marker}:end:`.length))?.[1];
  if (at === -1 || exitCode === undefined) return { output: rest, exitCode: null };
  return { output: rest.slice(0, Math.max(0, at - 1)), exitCode: Number(exitCode) };
}

/**
 * Runs work on a machine as a service would, and gives what it printed. stderr is for messages, so it comes without the
 * secrets that bash and git quote of what they were sent. Throws (SSH_LOST) when the answer was cut off.
 */
export async function runScript(
  shell: Shell,
  work: string,
  options: ShellOptions,
): Promise<{ output: string; stderr: string; exitCode: number }> {
  const marker = newMarker();
  const { stdout, stderr } = await shell.run(wrapScript(work, marker, { withEnvironment: true }), options);
  const { output, exitCode } = readMarked(stdout, marker) ?? { output: '', exitCode: null };
  if (exitCode === null) throw cutOff();
  return { output, stderr: quoted(stderr), exitCode };
}

/** A half answer must not count as "not there". */
export function cutOff(): ForgeError {
  return new ForgeError('The look inside the machine was cut off.', {
    code: 'SSH_LOST',
    exit: EXIT.sshFailed,
    hint: 'Try again.',
  });
}
