import { Args, Flags } from '@oclif/core';
import { changeFlags, durationFlag, eventsFlag, instanceArg } from '../../cli/flags.js';
import { InstanceCommand } from '../../cli/instance-command.js';
import { provisionInstance, runTarget } from '../../cli/provision-run.js';
import { EXIT } from '../../errors.js';

export default class ProvisionRun extends InstanceCommand<typeof ProvisionRun> {
  static override description =
    `Run a provisioning script or manifest on a machine now, as its boot would: as root, with the services' variables and Python, its output also in the log of provisioning. It outlives lost connections and Ctrl-C. Exit ${EXIT.notReady} when it ended with anything but 0; its own code is in the answer.`;
  static override args = {
    instance: instanceArg,
    source: Args.string({
      description: 'A script or manifest (.yaml): a file here, or an address that the machine fetches.',
    }),
  };
  static override flags = {
    env: Flags.string({
      description: 'Variable for it; may be repeated. It is written nowhere.',
      helpValue: 'K=V',
      multiple: true,
      multipleNonGreedy: true,
    }),
    'env-file': Flags.string({ description: 'File with a K=V on each line.', helpValue: 'FILE' }),
    detach: Flags.boolean({ description: 'Start it and do not wait.', exclusive: ['kill'] }),
    kill: Flags.boolean({ description: 'Ctrl-C ends it on the machine too; without this it goes on there.' }),
    timeout: durationFlag({
      description: 'End it after this time (exit 7).',
      helpValue: '4h',
      default: 4 * 3_600_000,
      defaultHelp: async () => '4h',
    }),
    ...changeFlags,
    events: eventsFlag,
  };
  static override examples = [
    { description: 'A file of this computer', command: '<%= config.bin %> provision run my-forge setup.sh' },
    {
      description: 'With a token, without waiting',
      command: '<%= config.bin %> provision run my-forge setup.sh --env-file tokens.env --detach --yes',
    },
    { description: 'An address', command: '<%= config.bin %> provision run my-forge https://example.org/setup.sh' },
  ];

  async run(): Promise<Record<string, unknown>> {
    const { flags } = this;
    const target = await runTarget(this.context, this.words);
    const { document, text, exitCode } = await provisionInstance(this.context, target, {
      env: flags.env ?? [],
      envFile: flags['env-file'],
      limitMs: flags.timeout,
      detach: flags.detach,
      endsWithUs: flags.kill,
      dryRun: flags['dry-run'],
      yes: flags.yes,
    });
    this.answer(text);
    if (exitCode !== EXIT.done) process.exitCode = exitCode;
    return document;
  }
}
