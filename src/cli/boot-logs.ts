import { EXIT, ForgeError } from '../errors.js';
import type { Catalog } from '../instance/log-reader/frames.js';
import type { Instance } from '../vast/model.js';
import { ApiLogs } from './api-logs.js';
import type { ForgeContext } from './context.js';
import type { LogChoice } from './log-choice.js';
import type { LogRequest } from './log-request.js';
import { type LogsDocument, MachineLogs } from './machine-logs.js';

/** base-image: 35-sync-home-dirs.sh, 37-sync-environment.sh. What a boot stage gave up; the boot itself goes on. */
const FAILURES = 'vast_boot_failures';
/** Output of the platform's start script, and names under which start scripts keep theirs. */
const BOOT_LOGS = ['onstart', 'entrypoint', 'boot'];

/**
 * What happened at boot: the failures that boot stages wrote down and the output of the start script. Where a machine keeps
 * no such file, or has no SSH, the start script's output is what the container printed.
 */
export async function showBootLogs(
  context: ForgeContext,
  instance: Instance,
  request: LogRequest,
  isJson: boolean,
): Promise<LogsDocument> {
  const inside = await lookInside(context, instance, request, isJson);
  if (inside?.services.some((name) => name !== FAILURES)) return inside;
  if (inside !== null)
    context.reporter.info('The machine keeps no log of its boot; this is what the container printed.');
  const printed = await new ApiLogs(context, instance, 'container', request).show(isJson);
  return {
    services: [...(inside?.services ?? []), ...printed.services],
    lines: [...(inside?.lines ?? []), ...printed.lines],
    notes: [...(inside?.notes ?? []), ...printed.notes],
  };
}

async function lookInside(
  context: ForgeContext,
  instance: Instance,
  request: LogRequest,
  isJson: boolean,
): Promise<LogsDocument | null> {
  if (instance.actualStatus !== 'running') return null;
  try {
    return await new MachineLogs(context, instance, request).show(isJson, chooseBootLogs);
  } catch (error) {
    if (!(error instanceof ForgeError) || ![EXIT.sshFailed, EXIT.notReady].includes(error.exit as never)) throw error;
    context.reporter.info(`${error.message} This is what the container printed.`);
    return null;
  }
}

function chooseBootLogs({ logs }: Catalog): LogChoice {
  const known = new Map(logs.map(({ name, bytes }) => [name, bytes]));
  const failed = (known.get(FAILURES) ?? 0) > 0;
  const names = [...(failed ? [FAILURES] : []), ...BOOT_LOGS.filter((name) => known.has(name))];
  return { names, note: failed ? 'Boot stages have failed: see vast_boot_failures.' : null };
}
