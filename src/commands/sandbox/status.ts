import { BaseCommand } from '../../cli/base-command.js';
import { readSandboxFile } from '../../cli/sandbox-file.js';

export default class SandboxStatus extends BaseCommand<typeof SandboxStatus> {
  static override description = 'Say whether the sandbox runs, where, and how fast.';
  static override examples = [{ description: 'Is it running', command: '<%= config.bin %> sandbox status' }];

  async run(): Promise<Record<string, unknown>> {
    const { sandboxDir } = this.context.paths;
    const running = readSandboxFile(sandboxDir);
    this.answer(
      running === null
        ? `The sandbox does not run. Its state is in ${sandboxDir}.`
        : `The sandbox runs at ${running.url} (process ${running.pid}), ${running.time_scale} times as fast as real time. Its state is in ${sandboxDir}.`,
    );
    return {
      running: running !== null,
      url: running?.url ?? null,
      pid: running?.pid ?? null,
      time_scale: running?.time_scale ?? null,
      seed: running?.seed ?? null,
      state_dir: sandboxDir,
    };
  }
}
