import { EnvCommand, envInstanceArg, envRequest, restartFlags } from '../../cli/env-command.js';
import { editVariables } from '../../cli/env-edit.js';

export default class EnvEdit extends EnvCommand<typeof EnvEdit> {
  static override description =
    'Edit $WORKSPACE/.env in $VISUAL or $EDITOR. The names that changed are shown, and asked for; when the file on the machine is another one by then, nothing is written (exit 9) and your text is kept.';
  static override args = { instance: envInstanceArg };
  static override flags = { ...restartFlags };
  static override examples = [
    { description: 'In your editor', command: '<%= config.bin %> env edit my-forge' },
    { description: 'In another', command: 'EDITOR="code --wait" <%= config.bin %> env edit my-forge --restart' },
  ];

  async run(): Promise<Record<string, unknown>> {
    const { instance } = await this.target();
    const { document, text } = await editVariables(this.context, instance, envRequest(this.flags));
    this.answer(text);
    return document;
  }
}
