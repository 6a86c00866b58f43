import { BaseCommand } from '../../cli/base-command.js';
import { dryRunFlag } from '../../cli/flags.js';
import { machineArg } from '../../cli/host-output.js';
import { EXIT, ForgeError } from '../../errors.js';

export default class HostsUnban extends BaseCommand<typeof HostsUnban> {
  static override description = 'Let a machine be rented again.';
  static override args = { machine: machineArg };
  static override flags = { 'dry-run': dryRunFlag };
  static override examples = [{ description: 'One machine', command: '<%= config.bin %> hosts unban 12345' }];

  async run(): Promise<Record<string, unknown>> {
    const { machine } = this.args;
    const { avoidedHosts } = this.context;
    if (!avoidedHosts.list().some(({ machineId }) => machineId === machine)) {
      throw new ForgeError(`Machine ${machine} is not avoided.`, {
        code: 'HOST_NOT_FOUND',
        exit: EXIT.notFound,
        hint: 'forgectl hosts ls',
      });
    }
    if (!this.flags['dry-run']) await avoidedHosts.unban(machine);
    this.answer(`Machine ${machine} ${this.flags['dry-run'] ? 'would be' : 'is'} rented again.`);
    return { dry_run: this.flags['dry-run'], machine_id: machine };
  }
}
