import { Flags } from '@oclif/core';
import { BaseCommand } from '../../cli/base-command.js';
import { dryRunFlag, durationFlag } from '../../cli/flags.js';
import { hostDocument, machineArg } from '../../cli/host-output.js';

const WEEK_MS = 7 * 24 * 3_600_000;

export default class HostsBan extends BaseCommand<typeof HostsBan> {
  static override description = 'Do not rent a machine for a while.';
  static override args = { machine: machineArg };
  static override flags = {
    for: durationFlag({
      description: 'How long.',
      helpValue: '7d',
      default: WEEK_MS,
      defaultHelp: async () => '7d',
    }),
    reason: Flags.string({ description: 'Why; shown by hosts ls.', helpValue: 'TEXT', default: 'banned by hand' }),
    'dry-run': dryRunFlag,
  };
  static override examples = [
    { description: 'For a week', command: '<%= config.bin %> hosts ban 12345' },
    {
      description: 'For a day, with a reason',
      command: '<%= config.bin %> hosts ban 12345 --for 1d --reason "slow disk"',
    },
  ];

  async run(): Promise<Record<string, unknown>> {
    const { machine } = this.args;
    const reason = this.flags.reason.replace(/[\p{Cc}\p{Cf}]+/gu, ' ').trim();
    if (this.flags['dry-run']) {
      this.answer(`Would avoid machine ${machine}.`);
      return { dry_run: true, machine_id: machine };
    }
    const host = await this.context.avoidedHosts.ban(machine, { reason, ms: this.flags.for });
    this.answer(`Machine ${machine} is not rented until ${host.until}.`);
    return hostDocument(host);
  }
}
