import { Args } from '@oclif/core';
import { BaseCommand } from '../cli/base-command.js';
import { bidDocument, bidLines } from '../cli/bid-output.js';
import { changeFlags, usdArg } from '../cli/flags.js';
import { stateOf } from '../cli/instance-facts.js';
import { nameOf, selectInstances } from '../cli/select-instances.js';
import { EXIT, ForgeError } from '../errors.js';
import type { Instance, Offer } from '../vast/model.js';
import { type BidPlan, changeBid, marketOf, planBid, sameMachineQuery } from '../workflows/bid.js';

export default class Bid extends BaseCommand<typeof Bid> {
  static override description =
    'Change the bid of an interruptible instance. One that was outbid starts again when its bid is the highest.';
  static override args = {
    instance: Args.string({
      description: 'The instance: id, C.<id>, label or unique start of a label.',
      required: true,
    }),
    usd: usdArg({ description: 'The new bid for the whole machine without its disk, in $/hour.', required: true }),
  };
  static override flags = { ...changeFlags };
  static override examples = [
    { description: 'Bid 25 cents an hour', command: '<%= config.bin %> bid my-forge 0.25' },
    { description: 'Compare only', command: '<%= config.bin %> bid my-forge 0.25 --dry-run' },
  ];

  async run(): Promise<Record<string, unknown>> {
    const { instance, plan } = await this.plan();
    const lines = bidLines(instance, plan);
    if (this.flags['dry-run']) {
      this.answer([...lines, ...plan.warnings.map((warning) => `  ${warning}`)].join('\n'));
      return { dry_run: true, changed: false, state: stateOf(instance, this.context), ...bidDocument(instance, plan) };
    }
    if (plan.isSame) {
      this.answer(`${nameOf(instance)}: the bid is $${plan.bidUsd}/h already.`);
      return { dry_run: false, changed: false, state: stateOf(instance, this.context), ...bidDocument(instance, plan) };
    }
    await this.confirm(lines, plan);
    const { instances } = await this.context.vast();
    const row = await changeBid(
      {
        setBid: (id, usd) => instances.setBid(id, usd),
        readInstance: (id) => instances.get(id),
        clock: this.context.clock,
        signal: this.context.interruption.signal,
      },
      plan,
    );
    this.answer(lines.join('\n'));
    if (plan.outbid) this.context.reporter.info(`It starts when no bid is higher: forgectl wait ${instance.id}`);
    return { dry_run: false, changed: true, state: stateOf(row, this.context), ...bidDocument(row, plan) };
  }

  private async plan(): Promise<{ instance: Instance; plan: BidPlan }> {
    const { instances } = await this.context.vast();
    const { selfId } = this.context;
    const [instance] = selectInstances(await instances.list(), { names: [this.args.instance], selfId });
    if (instance === undefined) throw new Error('selectInstances gave nothing for one name');
    const outbid = stateOf(instance, this.context) === 'outbid';
    const unknown = { onDemandPerHourUsd: null, leastBidUsd: instance.minBid };
    // What it cannot be is refused before the market is asked.
    planBid({ instance, outbid, ...unknown }, this.args.usd);
    const market = marketOf(instance, await this.sameMachine(instance));
    return { instance, plan: planBid({ instance, outbid, ...market }, this.args.usd) };
  }

  /** A comparison is worth a call, not a failure. */
  private async sameMachine(instance: Instance): Promise<Offer[]> {
    const query = sameMachineQuery(instance);
    if (query === null) return [];
    const { offers } = await this.context.vast();
    return offers.search(query).catch((error: unknown) => {
      this.context.interruption.signal.throwIfAborted();
      if (!(error instanceof ForgeError)) throw error;
      this.context.reporter.warn(`The price on demand is not known: ${error.message}`);
      return [];
    });
  }

  private async confirm(lines: readonly string[], { warnings, bidUsd }: BidPlan): Promise<void> {
    const { prompts, terminal, reporter } = this.context;
    const mayAsk = !this.flags.yes && terminal.canPrompt;
    if (mayAsk) for (const line of lines) reporter.info(line);
    for (const warning of warnings) reporter.warn(warning);
    if (this.flags.yes) return;
    if (!mayAsk) throw prompts.needAnswer(['--yes'], 'A confirmation');
    if (await prompts.confirm(`Bid $${bidUsd}/h?`)) return;
    throw new ForgeError('Nothing was changed.', { code: 'CANCELLED', exit: EXIT.interrupted });
  }
}
