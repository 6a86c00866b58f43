import { Args } from '@oclif/core';
import {
  accountLines,
  changeAccount,
  inCapitals,
  NEW_ONLY,
  planAccountChanges,
} from '../../../cli/account-variables.js';
import { BaseCommand } from '../../../cli/base-command.js';
import { inputFlags } from '../../../cli/env-command.js';
import { readVariables } from '../../../cli/env-input.js';
import { changeFlags } from '../../../cli/flags.js';

export default class EnvAccountSet extends BaseCommand<typeof EnvAccountSet> {
  static override description =
    'Set variables of the account, e.g. tokens for models. Every container made from then on gets them; those that exist do not. The account keeps names in capitals.';
  static override strict = false;
  static override args = {
    variable: Args.string({
      description: 'NAME=value, NAME=@FILE, NAME=- (from stdin), or NAME alone: it is asked for and not shown.',
    }),
  };
  static override flags = { ...inputFlags, ...changeFlags };
  static override examples = [
    { description: 'A token, asked for', command: '<%= config.bin %> env account set HF_TOKEN' },
    { description: 'From a file', command: '<%= config.bin %> env account set CIVITAI_TOKEN=@token.txt' },
  ];

  async run(): Promise<Record<string, unknown>> {
    const { context, flags } = this;
    const input = { words: this.words, fromFile: flags['from-file'] ?? null, literal: Boolean(flags.literal) };
    const changes = inCapitals(await readVariables(context, input));
    const plan = await planAccountChanges(context, changes);
    const dryRun = Boolean(flags['dry-run']);
    if (!dryRun) await changeAccount(context, plan, changes);
    this.answer(accountLines(plan, dryRun).join('\n'));
    context.reporter.info(NEW_ONLY);
    return { dry_run: dryRun, changes: plan };
  }
}
