import type { Command } from '@oclif/core';
import { EXIT, ForgeError } from '../errors.js';
import type { Instance } from '../vast/model.js';
import { changePower, type PowerAction } from '../workflows/power.js';
import { InstanceCommand } from './instance-command.js';
import { stateOf } from './instance-facts.js';
import { priceChange } from './price-lines.js';
import { nameOf } from './select-instances.js';

export interface PowerOutcome {
  id: number;
  label: string | null;
  action: string;
  changed: boolean;
  state: string | null;
  price_per_hour_before_usd: number | null;
  price_per_hour_after_usd: number | null;
  stopped_price_per_day_usd: number | null;
  error: { code: string; message: string; hint: string | null; exit: number } | null;
}

export interface PowerWords {
  action: PowerAction;
  /** What the question says of each instance. */
  question: (count: number) => string;
  /** True when nothing can be lost: then nothing is asked. */
  harmless: boolean;
  /** The state in which there is nothing to do. */
  alreadyDone?: (instance: Instance) => boolean;
}

/** start, stop, reboot, recycle and destroy differ only in words: ask, send, read back, say what it costs now. */
export abstract class PowerCommand<T extends typeof Command> extends InstanceCommand<T> {
  protected async changeAll(words: PowerWords): Promise<Record<string, unknown>> {
    const flags = this.flags as { yes: boolean; 'dry-run': boolean };
    const instances = await this.selected();
    const lines = instances.map((instance) => `${nameOf(instance)}: ${priceChange(instance, words.action).line}`);
    if (flags['dry-run']) return this.showPlan(words, instances, lines);
    if (!words.harmless) await this.confirm(words, lines, flags.yes);
    const outcomes: PowerOutcome[] = [];
    for (const instance of instances) outcomes.push(await this.changeOne(words, instance));
    this.settleExit(outcomes);
    return { action: words.action, instances: outcomes };
  }

  private showPlan(words: PowerWords, instances: Instance[], lines: string[]): Record<string, unknown> {
    this.answer([`Would ${words.action}:`, ...lines.map((line) => `  ${line}`)].join('\n'));
    return {
      dry_run: true,
      action: words.action,
      instances: instances.map((instance) => ({
        id: instance.id,
        label: instance.label,
        state: stateOf(instance, this.context),
        ...priceChange(instance, words.action).document,
      })),
    };
  }

  private async confirm(words: PowerWords, lines: string[], yes: boolean): Promise<void> {
    if (yes) return;
    const { prompts, terminal } = this.context;
    if (!terminal.canPrompt) throw prompts.needAnswer(['--yes'], 'A confirmation');
    for (const line of lines) this.context.reporter.info(`  ${line}`);
    if (await prompts.confirm(words.question(lines.length))) return;
    throw new ForgeError('Nothing was changed.', { code: 'CANCELLED', exit: EXIT.interrupted });
  }

  private async changeOne(words: PowerWords, instance: Instance): Promise<PowerOutcome> {
    const { line, document } = priceChange(instance, words.action);
    const outcome: PowerOutcome = {
      id: instance.id,
      label: instance.label,
      action: words.action,
      changed: false,
      state: stateOf(instance, this.context),
      ...document,
      error: null,
    };
    if (words.alreadyDone?.(instance)) {
      this.context.reporter.info(`${nameOf(instance)} is ${stateOf(instance, this.context)} already.`);
      return outcome;
    }
    try {
      const row = await changePower(await this.context.power(), words.action, instance);
      this.answer(`${nameOf(instance)}: ${line}`);
      return { ...outcome, changed: true, state: row === null ? null : stateOf(row, this.context) };
    } catch (error) {
      if (!(error instanceof ForgeError) || this.names.length < 2 || error.exit === EXIT.interrupted) throw error;
      this.context.reporter.warn(`${error.message}${error.hint === null ? '' : `\n  ${error.hint}`}`);
      const { code, message, hint, exit } = error;
      return { ...outcome, error: { code, message, hint, exit } };
    }
  }

  /** Some of several failed is 12, except that a possible leak outranks it. */
  private settleExit(outcomes: PowerOutcome[]): void {
    const failed = outcomes.filter((outcome) => outcome.error !== null);
    if (failed.length === 0) return;
    const leak = failed.some((outcome) => outcome.error?.exit === EXIT.cleanUpFailed);
    process.exitCode = leak ? EXIT.cleanUpFailed : EXIT.partlyFailed;
  }
}
