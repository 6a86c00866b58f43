import { existsSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { agreeTo } from '../../cli/agree-to.js';
import { BaseCommand } from '../../cli/base-command.js';
import { changeFlags } from '../../cli/flags.js';
import { stopSandboxProcess } from '../../cli/sandbox-process.js';
import { EXIT, ForgeError } from '../../errors.js';

/** Files by which a directory is known to be a sandbox's. */
const MARKS = ['world.json', 'sandbox.json', 'sandbox.log'];
/** What a sandbox makes there, with its drafts: nothing else is ever removed. */
const MADE = /^(?:machines|world\.json.*|sandbox\.(?:json|log|lock).*)$/u;

export default class SandboxReset extends BaseCommand<typeof SandboxReset> {
  static override description = 'Stop the sandbox and remove everything in it: machines, contracts, credit spent.';
  static override flags = { ...changeFlags };
  static override examples = [{ description: 'Start over', command: '<%= config.bin %> sandbox reset --yes' }];

  async run(): Promise<Record<string, unknown>> {
    const { context, flags } = this;
    const directory = context.paths.sandboxDir;
    const all = existsSync(directory) ? await readdir(directory) : [];
    const entries = all.filter((entry) => MADE.test(entry));
    if (flags['dry-run']) {
      this.answer(entries.length === 0 ? 'There is no sandbox state.' : `Would remove ${directory}.`);
      return { dry_run: true, state_dir: directory, removed: false };
    }
    if (all.length > 0) await this.remove(directory, entries);
    this.answer(entries.length === 0 ? 'There was no sandbox state.' : 'The sandbox is as new.');
    const others = all.filter((entry) => !entries.includes(entry));
    if (others.length > 0) context.reporter.info(`Left alone, because no sandbox made it: ${others.join(', ')}`);
    return { dry_run: false, state_dir: directory, removed: entries.length > 0 };
  }

  private async remove(directory: string, entries: string[]): Promise<void> {
    const { context, flags } = this;
    if (!entries.some((entry) => MARKS.includes(entry))) {
      throw new ForgeError(`${directory} does not look like a sandbox's directory.`, {
        code: 'NOT_A_SANDBOX',
        exit: EXIT.conflict,
        hint: 'Check FORGECTL_SANDBOX_DIR.',
      });
    }
    if (!flags.yes) {
      const nothing = 'Nothing was removed.';
      await agreeTo(context, `Remove all sandbox machines in ${directory}?`, { nothing });
    }
    await stopSandboxProcess(directory);
    for (const entry of entries) await rm(join(directory, entry), { recursive: true, force: true });
    // The next machines have the same ids, with keys of their own: what is remembered of the former is not of them.
    for (const place of ['host-keys', 'addresses', 'runs', 'logs', 'bought', 'stops'])
      for (const name of ['sandbox', 'sandbox.json'])
        await rm(join(context.paths.stateDir, place, name), { recursive: true, force: true });
  }
}
