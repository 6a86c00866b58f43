import type { Clock } from '../clock.js';
import { writeErr, writeOut } from '../ui/door.js';
import type { Reporter } from '../ui/reporter.js';
import { createJsonReporter } from '../ui/reporter-json.js';
import { createPlainReporter } from '../ui/reporter-plain.js';
import { createSilentReporter } from '../ui/reporter-silent.js';
import type { Terminal } from '../ui/terminal.js';

export interface ReportingOptions {
  json: boolean;
  events: boolean;
  quiet: boolean;
  terminal: Terminal;
  clock: Clock;
}

/** The renderer for lines. */
export function createReporter({ json, events, quiet, clock }: ReportingOptions): Reporter {
  if (json && events) return createJsonReporter({ write: writeOut, clock });
  return json || quiet ? createSilentReporter(writeErr) : createPlainReporter({ write: writeErr, clock });
}

/** The renderer for stages: on a terminal a spinner, whose code is loaded only by commands that have stages. */
export async function createStageReporter(options: ReportingOptions): Promise<Reporter> {
  const { json, quiet, terminal, clock } = options;
  if (json || quiet || !terminal.canAnimate) return createReporter(options);
  const [{ default: ora }, { createTtyReporter }, { palette }] = await Promise.all([
    import('ora'),
    import('../ui/reporter-tty.js'),
    import('../ui/color.js'),
  ]);
  return createTtyReporter({
    stream: process.stderr,
    clock,
    paint: await palette(terminal.colorOnStderr),
    ora: ora as never,
  });
}
