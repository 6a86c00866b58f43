import { Args } from '@oclif/core';
import { changeVariables } from '../../cli/env-change.js';
import { EnvCommand, envInstanceArg, envRequest, restartFlags } from '../../cli/env-command.js';
import { EXIT, ForgeError } from '../../errors.js';
import { checkVariableName } from '../../instance/dotenv/variable-name.js';

export default class EnvUnset extends EnvCommand<typeof EnvUnset> {
  static override description =
    'Take variables out of $WORKSPACE/.env. What /etc/environment says of them counts again.';
  static override args = {
    instance: envInstanceArg,
    name: Args.string({ description: 'Names of variables; one that is not set is no error.' }),
  };
  static override flags = { ...restartFlags };
  static override examples = [
    { description: 'Forge as it was rented', command: '<%= config.bin %> env unset my-forge FORGE_ARGS --restart' },
  ];

  async run(): Promise<Record<string, unknown>> {
    const { instance, words } = await this.target();
    for (const name of words) checkVariableName(name);
    if (words.length === 0) {
      throw new ForgeError('Which variables?', {
        code: 'VARIABLE_NEEDED',
        exit: EXIT.usage,
        hint: `forgectl env ls ${instance.id} shows them.`,
      });
    }
    const changes = new Map(words.map((name) => [name, null] as const));
    const { document, text } = await changeVariables(this.context, instance, { changes, ...envRequest(this.flags) });
    this.answer(text);
    return document;
  }
}
