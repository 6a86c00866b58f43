import { BaseCommand } from '../../cli/base-command.js';
import { hostDocument } from '../../cli/host-output.js';
import { formatDuration } from '../../ui/format.js';

export default class HostsLs extends BaseCommand<typeof HostsLs> {
  static override description = 'List machines that are not rented for a while: why, and until when.';
  static override examples = [{ description: 'All of them', command: '<%= config.bin %> hosts ls' }];

  async run(): Promise<Record<string, unknown>[]> {
    const { avoidedHosts, clock, reporter } = this.context;
    const hosts = avoidedHosts.list();
    if (hosts.length === 0) reporter.info('No machine is avoided.');
    else {
      this.answer(
        await this.context.table(hosts, [
          { header: 'MACHINE', value: (host) => String(host.machineId), align: 'right' },
          { header: 'GPU', value: (host) => host.gpuName ?? '-', priority: 3 },
          { header: 'FOR', value: (host) => formatDuration(Date.parse(host.until) - clock.now()), align: 'right' },
          { header: 'BY', value: (host) => (host.by === 'user' ? 'you' : 'a failed launch'), priority: 2 },
          { header: 'FAILED', value: (host) => `${host.failures}x`, align: 'right', priority: 2 },
          { header: 'REASON', value: (host) => host.reason },
        ]),
      );
    }
    return hosts.map(hostDocument);
  }
}
