import { Args } from '@oclif/core';
import { accountLines, changeAccount, planAccountChanges } from '../../../cli/account-variables.js';
import { agreeTo } from '../../../cli/agree-to.js';
import { BaseCommand } from '../../../cli/base-command.js';
import { changeFlags } from '../../../cli/flags.js';
import { EXIT, ForgeError } from '../../../errors.js';
import { checkVariableName } from '../../../instance/dotenv/variable-name.js';

export default class EnvAccountUnset extends BaseCommand<typeof EnvAccountUnset> {
  static override description =
    'Take variables off the account. Containers that have them keep them. The value cannot be read back, so this is asked for.';
  static override strict = false;
  static override args = {
    name: Args.string({ description: 'Names of variables; one that is not there is no error.' }),
  };
  static override flags = { ...changeFlags };
  static override examples = [
    { description: 'For good', command: '<%= config.bin %> env account unset HF_TOKEN --yes' },
  ];

  async run(): Promise<Record<string, unknown>> {
    const { context, flags, words } = this;
    for (const name of words) checkVariableName(name);
    if (words.length === 0) throw nameNeeded();
    const changes = new Map(words.map((name) => [name.toUpperCase(), null] as const));
    const plan = await planAccountChanges(context, changes);
    const names = plan.filter(({ change }) => change === 'removed').map(({ name }) => name);
    const dryRun = Boolean(flags['dry-run']);
    if (!dryRun && names.length > 0 && !flags.yes)
      await agreeTo(context, `Remove ${names.join(', ')} from the account?`);
    if (!dryRun && names.length > 0) await changeAccount(context, plan, changes);
    this.answer(accountLines(plan, dryRun).join('\n'));
    return { dry_run: dryRun, changes: plan };
  }
}

function nameNeeded(): ForgeError {
  return new ForgeError('Which variables?', {
    code: 'VARIABLE_NEEDED',
    exit: EXIT.usage,
    hint: 'forgectl env account ls shows them.',
  });
}
