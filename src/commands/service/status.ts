import { ServiceCommand } from '../../cli/service-command.js';
import { answerWords, serviceDocument, stateWords, uptime } from '../../cli/service-output.js';
import { chooseServices } from '../../cli/service-words.js';
import { openSession } from '../../cli/upgrade-access.js';
import { EXIT } from '../../errors.js';
import type { ServiceRow } from '../../instance/services/service-rows.js';
import { lookAtServices } from '../../workflows/services/look.js';

/** Nobody expects these to run. */
const NOT_WANTED = new Set<ServiceRow['state']>(['skipped', 'not_configured', 'run_by_platform']);

export default class ServiceStatus extends ServiceCommand<typeof ServiceStatus> {
  static override description =
    `Is it well? Exit 0 when every named service runs and answers, ${EXIT.notReady} when one does not.
Without a name: all that the machine is set up to run.`;
  static override examples = [
    { description: 'Forge', command: '<%= config.bin %> service status my-forge forge' },
    {
      description: 'In a script',
      command: '<%= config.bin %> service status my-forge forge -q || <%= config.bin %> service restart my-forge forge',
    },
  ];

  async run(): Promise<Record<string, unknown>> {
    const { instance, services } = await this.target();
    const session = await openSession(this.context, instance);
    try {
      const { rows } = await lookAtServices(session, { answers: true, watch: true });
      const shown =
        services.length === 0 ? rows.filter(({ state }) => !NOT_WANTED.has(state)) : chooseServices(rows, services);
      const isWell = shown.every(({ state }) => state === 'running');
      if (!isWell) process.exitCode = EXIT.notReady;
      this.answer((await Promise.all(shown.map((row) => this.context.keyValues(linesOf(row))))).join('\n\n'));
      return { instance_id: instance.id, label: instance.label, well: isWell, services: shown.map(serviceDocument) };
    } finally {
      session.close();
    }
  }
}

function linesOf(row: ServiceRow): [string, string][] {
  return [
    ['Service', row.name],
    ['State', [stateWords(row.state), row.reason].filter(Boolean).join(': ')],
    ['Program', row.program === null ? '-' : `${row.program} (supervisor: ${row.supervisorState})`],
    ['Process', row.pid === null ? '-' : `pid ${row.pid}, up ${uptime(row)}`],
    [
      'Port',
      row.port === null ? '-' : `${row.port} (${row.scheme}), answers: ${answerWords(row.answers, row.httpStatus)}`,
    ],
  ];
}
