import { BaseCommand } from '../../cli/base-command.js';
import { type TunnelRow, tunnelRows, tunnelTable } from '../../cli/tunnel-list.js';

export default class TunnelLs extends BaseCommand<typeof TunnelLs> {
  static override description =
    'List the background tunnels of this context: service, local address, state, traffic, distance, last error.';
  static override examples = [
    { description: 'All', command: '<%= config.bin %> tunnel ls' },
    { description: 'For a script', command: "<%= config.bin %> tunnel ls --json | jq -r '.[] | .url'" },
  ];

  async run(): Promise<TunnelRow[]> {
    const rows = await tunnelRows(this.context);
    if (rows.length === 0) this.context.reporter.info('There are no background tunnels.');
    else this.answer(await tunnelTable(rows, this.context));
    return rows;
  }
}
