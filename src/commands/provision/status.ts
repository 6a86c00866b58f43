import { instanceArg } from '../../cli/flags.js';
import { InstanceCommand } from '../../cli/instance-command.js';
import { statusDocument, statusLines } from '../../cli/provision-output.js';
import { withSession } from '../../cli/venv-access.js';
import { EXIT } from '../../errors.js';
import { readProvisioning } from '../../workflows/provision/run-provisioning.js';

export default class ProvisionStatus extends InstanceCommand<typeof ProvisionStatus> {
  static override description =
    `Say how provisioning stands: none, running, complete, failed or stopped, since when, which script, and the end of its log. What happened last counts, the boot or \`provision run\`. Exit ${EXIT.notReady} when it failed or was stopped.`;
  static override args = { instance: instanceArg };
  static override examples = [
    { description: 'Of one machine', command: '<%= config.bin %> provision status my-forge' },
    { description: 'In a script', command: '<%= config.bin %> provision status my-forge --json' },
  ];

  async run(): Promise<Record<string, unknown>> {
    const instance = await this.selectedOne();
    const status = await withSession(this.context, instance, readProvisioning);
    this.answer(statusLines(instance, status).join('\n'));
    if (status.state === 'failed' || status.state === 'stopped') process.exitCode = EXIT.notReady;
    return statusDocument(instance, status);
  }
}
