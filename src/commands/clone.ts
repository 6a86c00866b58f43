import { Args, Flags } from '@oclif/core';
import { changeFlags, eventsFlag, INSTANCE_WORDS } from '../cli/flags.js';
import { InstanceCommand } from '../cli/instance-command.js';
import { launchFlags } from '../cli/launch-flags.js';
import { grouped, moveFlags } from '../cli/migrate-flags.js';
import { EXIT } from '../errors.js';

export default class Clone extends InstanceCommand<typeof Clone> {
  static override description =
    'Rent machines like this one and bring its files and packages there, while it goes on. Template, image, disk, ports and variables are taken over; each is proved to answer.';
  static override args = { source: Args.string({ description: `The instance to clone, by ${INSTANCE_WORDS}.` }) };
  static override usage = 'clone SOURCE [FLAGS]';
  static override flags = {
    count: Flags.integer({ description: 'So many of them, one after the other.', default: 1, min: 1, max: 50 }),
    'to-new': Flags.boolean({ description: 'Always so; for the fingers.' }),
    'with-secrets': Flags.boolean({ description: 'Take over variables with a secret name, too.' }),
    ...moveFlags,
    ...grouped(launchFlags),
    events: eventsFlag,
    ...changeFlags,
  };
  static override examples = [
    { description: 'Another one like it', command: '<%= config.bin %> clone my-forge --best' },
    {
      description: 'Three, without a question',
      command: '<%= config.bin %> clone my-forge --count 3 --cheapest --yes',
    },
    { description: 'The plan only', command: '<%= config.bin %> clone my-forge --best --dry-run' },
  ];

  async run(): Promise<Record<string, unknown>> {
    const { cloneInstance } = await import('../cli/migrate-new.js');
    const { moveWishes } = await import('../cli/migrate-wishes.js');
    const { flags, argv } = this;
    const { document, text, isPartial } = await cloneInstance(this.context, await this.selectedOne(), {
      ...moveWishes(flags, { kind: 'clone', afterwards: 'keep', keepSourceRunning: true }),
      flags,
      argv,
      withSecrets: Boolean(flags['with-secrets']),
      count: flags.count,
    });
    this.answer(text);
    if (isPartial) process.exitCode = EXIT.partlyFailed;
    return document;
  }
}
