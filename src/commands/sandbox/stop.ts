import { BaseCommand } from '../../cli/base-command.js';
import { dryRunFlag } from '../../cli/flags.js';
import { readSandboxFile } from '../../cli/sandbox-file.js';
import { stopSandboxProcess } from '../../cli/sandbox-process.js';

export default class SandboxStop extends BaseCommand<typeof SandboxStop> {
  static override description = 'Stop the sandbox and its machines. What is on them is kept for the next start.';
  static override flags = { 'dry-run': dryRunFlag };
  static override examples = [{ description: 'Stop it', command: '<%= config.bin %> sandbox stop' }];

  async run(): Promise<Record<string, unknown>> {
    if (this.flags['dry-run']) {
      const running = readSandboxFile(this.context.paths.sandboxDir);
      this.answer(running === null ? 'The sandbox does not run.' : `Would stop the sandbox (process ${running.pid}).`);
      return { dry_run: true, stopped: false, pid: running?.pid ?? null };
    }
    const pid = await stopSandboxProcess(this.context.paths.sandboxDir);
    this.answer(pid === null ? 'The sandbox does not run.' : `The sandbox (process ${pid}) is stopped.`);
    return { dry_run: false, stopped: pid !== null, pid };
  }
}
