import { Flags } from '@oclif/core';
import { BaseCommand } from '../cli/base-command.js';
import { dryRunFlag } from '../cli/flags.js';
import { readKeyFrom } from '../cli/key-input.js';
import { EXIT, ForgeError } from '../errors.js';

export default class Login extends BaseCommand<typeof Login> {
  static override description = 'Sign in: check an API key against the API and keep it, readable by you alone.';
  static override flags = {
    'dry-run': dryRunFlag,
    'key-file': Flags.string({
      description: 'Read the key from this file, or from stdin with "-".',
      helpValue: 'FILE|-',
    }),
  };
  static override examples = [
    { description: 'Asked for, hidden', command: '<%= config.bin %> login' },
    { description: 'From a script', command: 'pass vast | <%= config.bin %> login --key-file -' },
  ];

  async run(): Promise<Record<string, unknown>> {
    const { context } = this;
    if (context.name === 'sandbox') {
      throw new ForgeError('The sandbox makes its own key; there is nothing to sign in to.', {
        code: 'SANDBOX_LOGIN',
        exit: EXIT.usage,
        hint: 'forgectl whoami --sandbox',
      });
    }
    const key = await readKeyFrom(this.flags['key-file'] ?? null, context);
    const user = await context.checkKey(key);
    if (this.flags['dry-run']) {
      this.answer(`Would sign in to ${context.name} as ${user.email ?? `user ${user.id}`}.`);
      return { dry_run: true, context: context.name, email: user.email, user_id: user.id, key_file: null };
    }
    const file = await context.saveKey(key);
    this.answer(`Signed in to ${context.name} as ${user.email ?? `user ${user.id}`}. The key is in ${file}.`);
    return { dry_run: false, context: context.name, email: user.email, user_id: user.id, key_file: file };
  }
}
