import { Args, Flags } from '@oclif/core';
import { agreeTo } from '../cli/agree-to.js';
import { BaseCommand } from '../cli/base-command.js';
import { changeFlags, durationFlag, positiveNumberFlag } from '../cli/flags.js';
import { applyLimit, type LimitChange, limitDocument, limitLine, planLimit } from '../cli/limit-change.js';

export default class LimitCommand extends BaseCommand<typeof LimitCommand> {
  static override description =
    'Show or change when the platform itself ends an instance. It acts at full hours (UTC), without this computer, at most a week ahead.';
  static override args = {
    instance: Args.string({
      description:
        'The instance: id, C.<id>, label or unique start of a label. May be left out when there is exactly one.',
    }),
  };
  static override flags = {
    in: durationFlag({ description: 'End it this long from now.', helpValue: '2h' }),
    'max-lifetime': durationFlag({ description: 'End it this long after it was rented.', helpValue: '4h' }),
    'max-spend': positiveNumberFlag({
      description: 'End it at the last full hour before it has cost this much in all, in $.',
      helpValue: 'USD',
    }),
    'at-limit': Flags.option({
      description: 'Stop keeps the disk and its price, destroy ends everything. Left out: as before, or stop.',
      options: ['stop', 'destroy'] as const,
      aliases: ['on-limit'],
    })(),
    clear: Flags.boolean({
      description: 'Take the limit away.',
      exclusive: ['in', 'max-lifetime', 'max-spend', 'at-limit'],
    }),
    ...changeFlags,
  };
  static override examples = [
    { description: 'What ends it', command: '<%= config.bin %> limit my-forge' },
    { description: 'Two hours more', command: '<%= config.bin %> limit my-forge --in 2h' },
    {
      description: 'Destroyed before it has cost 5 dollars',
      command: '<%= config.bin %> limit my-forge --max-spend 5 --at-limit destroy --yes',
    },
    { description: 'No limit', command: '<%= config.bin %> limit my-forge --clear --yes' },
  ];

  async run(): Promise<Record<string, unknown>> {
    const { context, flags, args } = this;
    const change = await planLimit(context, args.instance ?? null, {
      inMs: flags.in ?? null,
      maxLifetimeMs: flags['max-lifetime'] ?? null,
      maxSpendUsd: flags['max-spend'] ?? null,
      action: flags['at-limit'] ?? null,
      clear: flags.clear,
    });
    if (change.kind !== 'show' && !flags['dry-run']) {
      await this.confirm(change);
      await applyLimit(context, change);
    }
    this.answer(limitLine(change, { isDone: !flags['dry-run'], nowMs: context.clock.now() }));
    return limitDocument(change, { dryRun: flags['dry-run'], nowMs: context.clock.now() });
  }

  /** A stop loses nothing; a destroy does, and without a limit nothing ends it. */
  private async confirm(change: LimitChange): Promise<void> {
    const isHarmless = change.kind === 'set' ? change.action === 'stop' : change.before === null;
    if (this.flags.yes || isHarmless) return;
    const { prompts, terminal, clock } = this.context;
    await agreeTo({ prompts, terminal }, `${limitLine(change, { isDone: false, nowMs: clock.now() })} Go on?`);
  }
}
