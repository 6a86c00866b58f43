import { Flags } from '@oclif/core';
import { BaseCommand } from '../../cli/base-command.js';
import { dryRunFlag, positiveNumberFlag } from '../../cli/flags.js';
import { startSandboxProcess } from '../../cli/sandbox-process.js';

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
    const options = { port: flags.port ?? null, timeScale: flags['time-scale'] ?? null, seed: flags.seed ?? null };
    if (flags['dry-run']) {
      this.answer(`Would start the sandbox of ${context.paths.sandboxDir}.`);
      return { dry_run: true, started: false, state_dir: context.paths.sandboxDir };
    }
    if (!flags.foreground) {
      const { running, started } = await startSandboxProcess(context.paths.sandboxDir, options);
      this.answer(
        `The sandbox ${started ? 'runs' : 'was running already'} at ${running.url} (process ${running.pid}).`,
      );
      context.reporter.info('Use it with --sandbox, e.g. forgectl offers --sandbox');
      return { started, ...running };
    }
    const { runSandbox } = await import('../../sandbox/run-sandbox.js');
    const sandbox = await runSandbox({ stateDir: context.paths.sandboxDir, ...options });
    this.answer(`The sandbox runs at ${sandbox.url}. Ctrl-C ends it.`);
    await context.untilInterrupted();
    await sandbox.close();
    return { started: true, url: sandbox.url, pid: process.pid, time_scale: sandbox.timeScale, seed: sandbox.seed };
  }
}
