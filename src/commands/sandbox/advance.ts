import { Args } from '@oclif/core';
import { BaseCommand } from '../../cli/base-command.js';
import { dryRunFlag, parseDurationMs } from '../../cli/flags.js';
import { advanceSandbox } from '../../cli/sandbox-process.js';
import { formatDuration } from '../../ui/format.js';

export default class SandboxAdvance extends BaseCommand<typeof SandboxAdvance> {
  static override description =
    'Let time pass in the sandbox at once: machines bill, limits strike, contracts end, as if you had waited.';
  static override args = {
    time: Args.custom<number>({ parse: async (text) => parseDurationMs(text) })({
      description: 'How long: 90s, 40m, 4h, 3d.',
      required: true,
    }),
  };
  static override flags = { 'dry-run': dryRunFlag };
  static override examples = [
    { description: 'See a limit of four hours strike', command: '<%= config.bin %> sandbox advance 4h' },
  ];

  async run(): Promise<Record<string, unknown>> {
    const { context, flags, args } = this;
    const words = formatDuration(args.time);
    if (flags['dry-run']) {
      this.answer(`Would let ${words} pass in the sandbox.`);
      return { dry_run: true, advanced_s: args.time / 1000, now: null };
    }
    const now = await advanceSandbox(context.paths.sandboxDir, args.time);
    this.answer(`${words} have passed; in the sandbox it is ${now}.`);
    return { dry_run: false, advanced_s: args.time / 1000, now };
  }
}
