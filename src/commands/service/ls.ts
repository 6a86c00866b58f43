import { ServiceCommand } from '../../cli/service-command.js';
import { SERVICE_COLUMNS, serviceDocument } from '../../cli/service-output.js';
import { chooseServices } from '../../cli/service-words.js';
import { openSession } from '../../cli/upgrade-access.js';
import { lookAtServices } from '../../workflows/services/look.js';

export default class ServiceLs extends ServiceCommand<typeof ServiceLs> {
  static override description = `What runs on an instance: state, pid, uptime, port, and whether it answers there.
RUNNING of supervisor is a process, not a service: Forge counts as running when its own page answers. What is young and does not answer is watched for a few seconds, to tell starting from crashing.`;
  static override examples = [
    { description: 'All services', command: '<%= config.bin %> service ls my-forge' },
    {
      description: 'For a script',
      command: `<%= config.bin %> service ls my-forge --json | jq '.services[] | select(.answers == false).name'`,
    },
  ];

  async run(): Promise<Record<string, unknown>> {
    const { instance, services } = await this.target();
    const session = await openSession(this.context, instance);
    try {
      const { rows } = await lookAtServices(session, { answers: true, watch: true });
      const shown = services.length === 0 ? rows : chooseServices(rows, services);
      this.answer(await this.context.table(shown, SERVICE_COLUMNS));
      return { instance_id: instance.id, label: instance.label, services: shown.map(serviceDocument) };
    } finally {
      session.close();
    }
  }
}
