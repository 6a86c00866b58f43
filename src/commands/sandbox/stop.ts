import { BaseCommand } from '../../cli/base-command.js';
import { stopSandboxProcess } from '../../cli/sandbox-process.js';

export default class SandboxStop extends BaseCommand<typeof SandboxStop> {
  static override description = 'Stop the sandbox and its machines. What is on them is kept for the next start.';
  static override examples = [{ description: 'Stop it', command: '<%= config.bin %> sandbox stop' }];

  async run(): Promise<Record<string, unknown>> {
    const pid = await stopSandboxProcess(this.context.paths.sandboxDir);
    this.answer(pid === null ? 'The sandbox does not run.' : `The sandbox (process ${pid}) is stopped.`);
    return { stopped: pid !== null, pid };
  }
}
