import { EXIT, ForgeError } from '../errors.js';
import { writeErr } from '../ui/door.js';
import { formatBytes, formatDuration } from '../ui/format.js';
import { cleanLine } from '../ui/sanitize.js';
import type { Instance } from '../vast/model.js';
import { findDeadEnd, stateWord } from '../workflows/instance-state.js';
import { type ApiLog, ApiLogs } from './api-logs.js';
import { showBootLogs } from './boot-logs.js';
import type { ForgeContext } from './context.js';
import type { LogRequest } from './log-request.js';
import type { LogTarget } from './log-target.js';
import { hintAtContainer, type LogsDocument, listMachineLogs, MachineLogs } from './machine-logs.js';
import { nameOf } from './select-instances.js';

export interface ShowLogsOptions {
  request: LogRequest;
  /** A flag that names one: list, all, boot, container, host. */
  source: string | null;
  isJson: boolean;
  /** Human form on stdout. */
  answer(text: string): void;
}

/** Shows the logs that were asked for, from where they are. Returns the --json document. */
export async function showLogs(
  context: ForgeContext,
  { instance, services, isGuess }: LogTarget,
  options: ShowLogsOptions,
): Promise<Record<string, unknown>> {
  const { source } = options;
  if (services.length > 0 && source !== null) throw namesAndSource(source, services);
  const head = { instance: instance.id, label: instance.label };
  try {
    if (source === 'list') return { ...head, logs: await showList(context, instance, options) };
    const { from, document } = await read(context, instance, options);
    return { ...head, source: from, ...document };
  } catch (error) {
    if (isQuietEnd(error, options)) {
      // The shell's prompt would stand behind the "^C" of the terminal.
      if (context.terminal.canAnimate) writeErr('\n');
      process.exitCode = error.exit;
      return {};
    }
    if (isGuess) throw neitherNor(error, instance, services[0] ?? '');
    throw source === 'container' || source === 'host' ? error : hintAtContainer(error, instance);
  }
}

async function read(
  context: ForgeContext,
  instance: Instance,
  { request, source, isJson }: ShowLogsOptions,
): Promise<{ from: string; document: LogsDocument }> {
  if (source === 'boot') return { from: 'boot', document: await showBootLogs(context, instance, request, isJson) };
  const api = source === 'container' || source === 'host' ? source : insteadOfSsh(context, instance, request);
  if (api !== null) return { from: api, document: await new ApiLogs(context, instance, api, request).show(isJson) };
  return { from: 'machine', document: await new MachineLogs(context, instance, request).show(isJson) };
}

/** A machine that is not up yet has nothing to log in to, and something to tell. */
function insteadOfSsh(context: ForgeContext, instance: Instance, request: LogRequest): ApiLog | null {
  const isComing = instance.actualStatus !== 'running' && findDeadEnd(instance) === null;
  if (!isComing || request.follow || request.all || request.services.length > 0) return null;
  context.reporter.info(
    `${nameOf(instance)} is ${stateWord(instance)} and has no SSH yet; this is what its container printed.`,
  );
  return 'container';
}

async function showList(
  context: ForgeContext,
  instance: Instance,
  { request, answer }: ShowLogsOptions,
): Promise<Record<string, unknown>[]> {
  const logs = await listMachineLogs(context, instance, request.sshKey);
  const nowMs = Date.now();
  if (logs.length === 0) context.reporter.info('The machine keeps no logs yet.');
  else
    answer(
      await context.table(logs, [
        { header: 'NAME', value: ({ name }) => name },
        { header: 'SIZE', value: ({ bytes }) => formatBytes(bytes), align: 'right' },
        { header: 'CHANGED', value: ({ changed }) => `${formatDuration(nowMs - changed * 1000)} ago`, align: 'right' },
        { header: 'FILE', value: ({ path }) => path, priority: 1 },
      ]),
    );
  return logs.map(({ name, path, bytes, changed }) => ({
    name,
    path,
    bytes,
    changed_at: new Date(changed * 1000).toISOString(),
  }));
}

/** Ctrl-C is how following ends: there is nothing to say about it. */
function isQuietEnd(error: unknown, { request, isJson }: ShowLogsOptions): error is ForgeError {
  const isEnd = error instanceof ForgeError && (error.exit === EXIT.interrupted || error.exit === EXIT.terminated);
  return isEnd && request.follow && !isJson;
}

/** A name that is mistyped may have been meant for the instance. */
function neitherNor(error: unknown, instance: Instance, word: string): unknown {
  if (!(error instanceof ForgeError) || error.code !== 'LOG_NOT_FOUND') return hintAtContainer(error, instance);
  const { code, exit, details, hint } = error;
  const also = `The only instance is ${nameOf(instance)}, so "${cleanLine(word).slice(0, 80)}" was taken for a log.`;
  return new ForgeError(error.message, { code, exit, details, hint: `${hint}\n${also}` });
}

function namesAndSource(source: string, services: readonly string[]): ForgeError {
  return new ForgeError(`--${source} takes no names of logs: ${services.join(' ')}`, {
    code: 'USAGE',
    exit: EXIT.usage,
    hint: `Leave out --${source}, or the names.`,
  });
}
