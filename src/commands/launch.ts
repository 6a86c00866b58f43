import { Flags } from '@oclif/core';
import { BaseCommand } from '../cli/base-command.js';
import { changeFlags, eventsFlag } from '../cli/flags.js';
import { prepareLaunch } from '../cli/launch-choice.js';
import { launchFlags } from '../cli/launch-flags.js';
import { launchDocument, launchLines, planLines } from '../cli/launch-output.js';
import { beginLaunch } from '../cli/launch-runs.js';
import { EXIT, ForgeError } from '../errors.js';
import { planDocument } from '../workflows/launch/plan-document.js';

export default class Launch extends BaseCommand<typeof Launch> {
  static override description = 'Rent a machine, boot Forge on it, and wait until it answers.';
  static override flags = {
    ...launchFlags,
    open: Flags.boolean({ description: "Open the portal's page in the browser when Forge answers." }),
    events: eventsFlag,
    ...changeFlags,
  };
  static override examples = [
    { description: 'Choose from a list', command: '<%= config.bin %> launch' },
    {
      description: 'The best 4090 under 50 cents',
      command: '<%= config.bin %> launch --gpu RTX_4090 --max-price 0.5 --best --yes',
    },
    {
      description: 'Stopped by the platform after 4 hours or 5 dollars',
      command: '<%= config.bin %> launch --best --max-lifetime 4h --max-spend 5',
    },
    { description: 'Without an account', command: '<%= config.bin %> launch --best --yes --sandbox' },
    {
      description: 'With a script of this computer',
      command: '<%= config.bin %> launch --best --provisioning-file setup.sh --env HF_TOKEN=…',
    },
    { description: 'See the plan only', command: '<%= config.bin %> launch --cheapest --dry-run --json' },
  ];

  async run(): Promise<Record<string, unknown>> {
    const { context, flags } = this;
    const { plan, limit, identity, envNames, script } = await prepareLaunch(context, flags, this.argv);
    this.tell(planLines(plan, limit, context.clock.now()));
    if (flags['dry-run']) {
      const limitAt = limit === null ? null : new Date(limit.atMs).toISOString();
      return { dry_run: true, plan: planDocument(plan), limit_at: limitAt };
    }
    if (!flags.yes && !(await context.prompts.confirm(`Rent it for $${plan.price.runningPerHourUsd.toFixed(3)}/h?`))) {
      throw new ForgeError('Nothing was rented.', { code: 'CANCELLED', exit: EXIT.interrupted });
    }
    const result = await beginLaunch(context, plan, identity, {
      sshKeyFile: flags['ssh-key'] ?? null,
      envNames,
      script,
    });
    if (flags.open) await context.openBrowser(result.readiness.instance);
    this.answer(launchLines(result).join('\n'));
    return launchDocument(result);
  }

  /** A plan is the answer of a dry run, and the telling of a real one. */
  private tell(lines: string[]): void {
    if (this.flags['dry-run']) this.answer(lines.join('\n'));
    else for (const line of lines) this.context.reporter.info(line);
  }
}
