import { Flags } from '@oclif/core';
import { BaseCommand } from '../../cli/base-command.js';
import { dryRunFlag, positiveNumberFlag } from '../../cli/flags.js';
import { starterGone, startFailure, startSandboxProcess } from '../../cli/sandbox-process.js';

export default class SandboxStart extends BaseCommand<typeof SandboxStart> {
  static override description =
    'Start the sandbox: a Vast.ai API on loopback, with machines that really run on this computer.';
  static override flags = {
    port: Flags.integer({ description: 'Port to listen on; any free one when left out.', min: 0, max: 65_535 }),
    'time-scale': positiveNumberFlag({
      description: 'How many times faster than real time passes in it.',
      env: 'FORGECTL_SANDBOX_TIME_SCALE',
      helpValue: 'N',
    }),
    seed: Flags.integer({ description: 'Which offers there are.' }),
    'dry-run': dryRunFlag,
    foreground: Flags.boolean({ description: 'Stay in this terminal until Ctrl-C.' }),
  };
  static override examples = [
    { description: 'In the background', command: '<%= config.bin %> sandbox start' },
    { description: 'Twenty times as fast', command: '<%= config.bin %> sandbox start --time-scale 20' },
  ];

  async run(): Promise<Record<string, unknown>> {
    const { flags, context } = this;
    const stateDir = context.paths.sandboxDir;
    const options = { port: flags.port ?? null, timeScale: flags['time-scale'] ?? null, seed: flags.seed ?? null };
    if (flags['dry-run']) return this.inspect(stateDir);
    if (flags.foreground) return this.serve({ stateDir, ...options });
    const { running, started } = await startSandboxProcess(stateDir, options);
    if (started) this.warnOf(running.limits);
    this.answer(`The sandbox ${started ? 'runs' : 'was running already'} at ${running.url} (process ${running.pid}).`);
    context.reporter.info('Use it with --sandbox, e.g. forgectl offers --sandbox');
    return { started, ...running };
  }

  /** Fails as a start would when this computer lacks something. */
  private async inspect(stateDir: string): Promise<Record<string, unknown>> {
    const { inspectComputer } = await import('../../sandbox/run-sandbox.js');
    const limits = await explained(inspectComputer(), stateDir);
    this.warnOf(limits);
    this.answer(`Would start the sandbox of ${stateDir}.`);
    return { dry_run: true, started: false, state_dir: stateDir, limits };
  }

  private async serve(options: Options): Promise<Record<string, unknown>> {
    const signal = AbortSignal.any([this.context.interruption.signal, starterGone()]);
    const { runSandbox } = await import('../../sandbox/run-sandbox.js');
    const sandbox = await explained(runSandbox({ ...options, signal }), options.stateDir);
    this.warnOf(sandbox.limits);
    this.answer(`The sandbox runs at ${sandbox.url}. Ctrl-C ends it.`);
    await this.context.untilInterrupted();
    await sandbox.close();
    const { url, timeScale, seed, limits } = sandbox;
    return { started: true, url, pid: process.pid, time_scale: timeScale, seed, limits };
  }

  private warnOf(limits: readonly string[]): void {
    for (const limit of limits) this.context.reporter.warn(limit);
  }
}

interface Options {
  stateDir: string;
  port: number | null;
  timeScale: number | null;
  seed: number | null;
}

/** The sandbox's own errors become failures that say what to type. */
function explained<T>(work: Promise<T>, stateDir: string): Promise<T> {
  return work.catch((error: unknown) => {
    throw startFailure(error, stateDir);
  });
}
