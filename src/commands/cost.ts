import { Flags } from '@oclif/core';
import { BaseCommand } from '../cli/base-command.js';
import { costFacts } from '../cli/cost-facts.js';
import { costText, creditWarning } from '../cli/cost-output.js';
import { costDocument, costReport } from '../cli/cost-report.js';

export default class Cost extends BaseCommand<typeof Cost> {
  static override description =
    'Show what is billed now, what was spent today and in the last days by instance, and how long the credit lasts. Days are in UTC.';
  static override flags = {
    days: Flags.integer({
      description: 'How many days, today included.',
      helpValue: 'N',
      default: 30,
      min: 1,
      max: 366,
    }),
    instance: Flags.string({
      description:
        'Only this one, by id, C.<id>, V.<id> for a volume, or label; also one that is gone. May be repeated.',
      helpValue: 'NAME',
      multiple: true,
      multipleNonGreedy: true,
    }),
    chart: Flags.boolean({
      description: 'Show the days. The first time each costs a call of a second; days that are over are remembered.',
      default: true,
      allowNo: true,
    }),
  };
  static override examples = [
    { description: 'The account', command: '<%= config.bin %> cost' },
    { description: 'One machine in the last week', command: '<%= config.bin %> cost --days 7 --instance my-forge' },
    { description: 'Hours of credit left', command: '<%= config.bin %> cost --no-chart --json | jq .credit_left_h' },
  ];

  async run(): Promise<Record<string, unknown>> {
    const { context, flags } = this;
    const facts = await costFacts(context, { days: flags.days, wantsDays: flags.chart });
    const report = costReport(facts, flags.instance ?? [], context.selfId);
    this.answer(await costText(report, context));
    const warning = creditWarning(report);
    if (warning !== null) context.reporter.warn(warning);
    return costDocument(report);
  }
}
