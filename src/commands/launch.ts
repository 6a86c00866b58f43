import { Flags } from '@oclif/core';
import { BaseCommand } from '../cli/base-command.js';
import { changeFlags, durationFlag, eventsFlag, positiveNumberFlag } from '../cli/flags.js';
import { prepareLaunch } from '../cli/launch-choice.js';
import { launchDocument, launchLines, planLines } from '../cli/launch-output.js';
import { offerFlags } from '../cli/offer-flags.js';
import { EXIT, ForgeError } from '../errors.js';
import { launch } from '../workflows/launch/launch.js';
import { planDocument } from '../workflows/launch/plan.js';
import { RUNGS, type Rung } from '../workflows/readiness/rungs.js';

export default class Launch extends BaseCommand<typeof Launch> {
  static override description = 'Rent a machine, boot Forge on it, and wait until it answers.';
  static override flags = {
    ...offerFlags,
    offer: Flags.integer({ description: 'Rent this offer.', helpValue: 'ID', exclusive: ['cheapest', 'best'] }),
    cheapest: Flags.boolean({
      description: 'Rent what costs least in the first hour, download included.',
      exclusive: ['best'],
    }),
    best: Flags.boolean({ description: 'Rent what generates most for the money.' }),
    bid: positiveNumberFlag({ description: 'Rent interruptible with this bid, in $/hour.', helpValue: 'USD' }),
    template: Flags.string({
      description: 'Template by name, hash or id.',
      env: 'FORGECTL_TEMPLATE',
      helpValue: 'NAME|HASH|ID',
    }),
    image: Flags.string({ description: "Image instead of the template's.", env: 'FORGECTL_IMAGE', helpValue: 'REF' }),
    provisioning: Flags.string({
      description: 'Script that is fetched and run at the first start, or "none".',
      env: 'FORGECTL_PROVISIONING',
      helpValue: 'URL|none',
    }),
    'forge-args': Flags.string({
      description: 'Arguments for Forge, e.g. "--api --xformers"; its port is kept.',
      env: 'FORGECTL_FORGE_ARGS',
      helpValue: 'TEXT',
    }),
    env: Flags.string({
      description: 'Variable for the container; may be repeated.',
      helpValue: 'K=V',
      multiple: true,
      multipleNonGreedy: true,
    }),
    'env-file': Flags.string({ description: 'File with a K=V on each line.', helpValue: 'FILE' }),
    label: Flags.string({ description: 'Label of the instance; made up when left out.', helpValue: 'TEXT' }),
    'ssh-key': Flags.string({
      description: "Private key to log in with; forgectl's own is made when you have none.",
      env: 'FORGECTL_SSH_KEY',
      helpValue: 'FILE',
    }),
    'wait-for': Flags.option({
      description: 'What to wait for.',
      options: RUNGS,
      env: 'FORGECTL_WAIT_FOR',
      default: 'forge' as Rung,
    })(),
    timeout: durationFlag({
      description: 'Give up waiting after this time (exit 7); the machine is kept and named.',
      env: 'FORGECTL_TIMEOUT',
      helpValue: '40m',
      default: 40 * 60_000,
      defaultHelp: async () => '40m',
    }),
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
    { description: 'Without an account', command: '<%= config.bin %> launch --best --yes --sandbox' },
    { description: 'See the plan only', command: '<%= config.bin %> launch --cheapest --dry-run --json' },
  ];

  async run(): Promise<Record<string, unknown>> {
    const { context, flags } = this;
    const { plan, identity } = await prepareLaunch(context, flags);
    this.tell(planLines(plan));
    if (flags['dry-run']) return { dry_run: true, plan: planDocument(plan) };
    if (!flags.yes && !(await context.prompts.confirm(`Rent it for $${plan.price.runningPerHourUsd.toFixed(3)}/h?`))) {
      throw new ForgeError('Nothing was rented.', { code: 'CANCELLED', exit: EXIT.interrupted });
    }
    const result = await launch(await context.launching(identity), plan);
    if (flags.open) await context.openBrowser(result.readiness.instance);
    this.answer(launchLines(plan, result, identity.path).join('\n'));
    return launchDocument(plan, result);
  }

  /** A plan is the answer of a dry run, and the telling of a real one. */
  private tell(lines: string[]): void {
    if (this.flags['dry-run']) this.answer(lines.join('\n'));
    else for (const line of lines) this.context.reporter.info(line);
  }
}
