import { Args } from '@oclif/core';
import { changeVariables } from '../../cli/env-change.js';
import { EnvCommand, envInstanceArg, envRequest, inputFlags, restartFlags } from '../../cli/env-command.js';
import { keepPort, readVariables } from '../../cli/env-input.js';

export default class EnvSet extends EnvCommand<typeof EnvSet> {
  static override description =
    `Set variables in $WORKSPACE/.env, which services read at their start after /etc/environment.
Whatever a value holds, a shell reads back exactly that: it is quoted, and a shell on the machine has read it before the file is put in its place. Comments and all other lines stay as they are. FORGE_ARGS keeps --port 17860.`;
  static override args = {
    instance: envInstanceArg,
    variable: Args.string({
      description:
        'NAME=value, NAME=@FILE, NAME=- (from stdin), or NAME alone: it is asked for and not shown. What is typed on the line stays in the history of your shell.',
    }),
  };
  static override flags = { ...inputFlags, ...restartFlags };
  static override examples = [
    {
      description: 'Forge with its API, restarted',
      command: '<%= config.bin %> env set my-forge FORGE_ARGS="--api --xformers" --restart',
    },
    { description: 'A token, asked for', command: '<%= config.bin %> env set my-forge HF_TOKEN' },
    { description: 'From a pipe', command: 'pass hf | <%= config.bin %> env set my-forge HF_TOKEN=- --no-restart' },
    { description: 'A whole file', command: '<%= config.bin %> env set my-forge --from-file forge.env' },
  ];

  async run(): Promise<Record<string, unknown>> {
    const { context, flags } = this;
    const { instance, words } = await this.target();
    const changes = await readVariables(context, {
      words,
      fromFile: flags['from-file'] ?? null,
      literal: Boolean(flags.literal),
    });
    const told = keepPort(changes);
    if (told !== null) context.reporter.info(told);
    const { document, text } = await changeVariables(context, instance, { changes, ...envRequest(flags) });
    this.answer(text);
    return document;
  }
}
