import { Args, Flags } from '@oclif/core';
import { EnvCommand, envInstanceArg } from '../../cli/env-command.js';
import { listVariables } from '../../cli/env-list.js';

export default class EnvLs extends EnvCommand<typeof EnvLs> {
  static override description =
    'Variables that the services of an instance read: those of $WORKSPACE/.env, or with --origin of every place. Secrets are hidden, in --json too, unless --reveal is given.';
  static override args = {
    instance: envInstanceArg,
    name: Args.string({ description: 'Only these variables. Without the instance before them, "-" stands for it.' }),
  };
  static override flags = {
    origin: Flags.boolean({
      description:
        'Also what /etc/environment and the account set, and which of them a service reads. .env wins over the others.',
    }),
    reveal: Flags.boolean({ description: 'Show secrets too. The API never tells those of the account.' }),
  };
  static override examples = [
    { description: 'What .env sets', command: '<%= config.bin %> env ls my-forge' },
    { description: 'Where a variable comes from', command: '<%= config.bin %> env ls my-forge HF_TOKEN --origin' },
    {
      description: 'One value, for a script',
      command: "<%= config.bin %> env ls my-forge FORGE_ARGS --json | jq -r '.variables[0].value'",
    },
  ];

  async run(): Promise<Record<string, unknown>> {
    const { instance, words } = await this.target();
    const { document, text } = await listVariables(this.context, instance, {
      names: words,
      withOrigin: Boolean(this.flags.origin),
      reveal: Boolean(this.flags.reveal),
    });
    this.answer(text);
    return document;
  }
}
