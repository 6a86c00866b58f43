import { Flags } from '@oclif/core';
import { answerInLines } from '../../cli/argv.js';
import { instanceArg } from '../../cli/flags.js';
import { InstanceCommand } from '../../cli/instance-command.js';
import { parseTail, tailLines } from '../../cli/log-request.js';
import { showLogs } from '../../cli/show-logs.js';

export default class ProvisionLogs extends InstanceCommand<typeof ProvisionLogs> {
  static override description =
    "Show the log of provisioning: the boot's and that of `provision run`. The same as `logs INSTANCE provisioning`, which has more flags.";
  static override args = { instance: instanceArg };
  static override flags = {
    follow: Flags.boolean({ char: 'f', description: 'Go on with what is added, until Ctrl-C.' }),
    tail: Flags.custom<number | 'all'>({
      char: 'n',
      description: 'Only the last lines (100), or "all".',
      helpValue: 'LINES',
      parse: async (text) => parseTail(text),
    })(),
  };
  static override examples = [
    { description: 'The end of it', command: '<%= config.bin %> provision logs my-forge' },
    { description: 'As it is written', command: '<%= config.bin %> provision logs my-forge -f' },
  ];

  async run(): Promise<Record<string, unknown>> {
    const { context, flags } = this;
    if (flags.follow) answerInLines();
    const instance = await this.selectedOne();
    const services = ['provisioning'];
    return showLogs(
      context,
      { instance, services, isGuess: false },
      {
        request: {
          services,
          all: false,
          follow: Boolean(flags.follow),
          tail: tailLines(flags.tail, false),
          since: null,
          filter: null,
          sshKey: null,
        },
        source: null,
        isJson: this.jsonEnabled(),
        answer: (text) => this.answer(text),
      },
    );
  }
}
