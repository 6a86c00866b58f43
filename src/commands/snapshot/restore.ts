import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../../cli/base-command.js';
import { changeFlags, eventsFlag, instanceArg } from '../../cli/flags.js';
import { launchFlags } from '../../cli/launch-flags.js';
import { grouped } from '../../cli/migrate-flags.js';
import { selectInstances } from '../../cli/select-instances.js';
import { folderFlag } from '../../cli/snapshot-flags.js';
import type { RestoreWishes } from '../../cli/snapshot-restore.js';
import { EXIT, ForgeError } from '../../errors.js';

const { timeout, 'ssh-key': sshKey, ...ofNewMachines } = launchFlags;

export default class SnapshotRestore extends BaseCommand<typeof SnapshotRestore> {
  static override description = [
    `Bring a machine's workspace to a snapshot: files, Forge's commit and edits, Python packages (torch stays); Forge is stopped meanwhile and must answer in the end. Whatever fails, everything is put back (exit ${EXIT.rolledBack}).`,
    '',
    'The snapshot is compared with its hashes before anything is touched. What differs on the machine is moved aside first and removed ' +
      'last; what the snapshot does not have stays, but for program files of another commit of Forge.',
  ].join('\n');
  static override usage = 'snapshot restore NAME [INSTANCE|--to-new] [FLAGS]';
  static override args = {
    name: Args.string({ description: 'The snapshot.', required: true }),
    instance: instanceArg,
  };
  static override flags = {
    dir: folderFlag,
    packages: Flags.boolean({ description: 'Python packages too.', default: true, allowNo: true }),
    checksum: Flags.boolean({ description: 'Compare contents where size and time are the same, before.' }),
    verify: Flags.option({
      description:
        'Compare afterwards: names, types, sizes, modes, times and link targets (fast), contents too (full).',
      options: ['fast', 'full'] as const,
      default: 'full' as const,
      env: 'FORGECTL_VERIFY',
      helpValue: 'fast|full',
    })(),
    'to-new': Flags.boolean({
      description:
        'Onto a machine that is rented now, with the launch flags below: template, image, disk, ports and variables as the snapshot has them.',
      exclusive: ['checksum'],
    }),
    'ssh-key': sshKey,
    timeout,
    ...grouped(ofNewMachines),
    events: eventsFlag,
    ...changeFlags,
  };
  static override examples = [
    {
      description: 'What it would do',
      command: '<%= config.bin %> snapshot restore before-upgrade my-forge --dry-run',
    },
    {
      description: 'Onto another machine',
      command: '<%= config.bin %> snapshot restore before-upgrade new-forge --yes',
    },
    {
      description: 'Onto a machine that is rented for it',
      command: '<%= config.bin %> snapshot restore before-upgrade --to-new --best --yes',
    },
  ];

  async run(): Promise<Record<string, unknown>> {
    const { args, context, flags } = this;
    if (flags['to-new']) return this.toNew();
    const { refuseLaunchFlags } = await import('../../cli/launch-like.js');
    refuseLaunchFlags(this.argv);
    const { restoreSnapshotTo } = await import('../../cli/snapshot-restore.js');
    const { restoreDocument, restoredLines, restoreLines } = await import('../../cli/snapshot-output.js');
    const names = args.instance === undefined ? [] : [args.instance];
    const all = await (await context.vast()).instances.list();
    const [instance] = selectInstances(all, { names, selfId: context.selfId }) as [(typeof all)[number]];
    const wishes = this.wishes();
    const answer = await restoreSnapshotTo(context, instance, wishes);
    this.answer((wishes.dryRun ? restoreLines(answer) : restoredLines(answer)).join('\n'));
    return { dry_run: wishes.dryRun, ...restoreDocument(answer) };
  }

  private async toNew(): Promise<Record<string, unknown>> {
    const { args, argv, flags } = this;
    if (args.instance !== undefined) throw notBoth();
    const { restoreToNew } = await import('../../cli/snapshot-new.js');
    const { document, text } = await restoreToNew(this.context, { ...this.wishes(), flags, argv });
    this.answer(text);
    return document;
  }

  private wishes(): RestoreWishes {
    const { args, flags } = this;
    return {
      folder: flags.dir ?? null,
      name: args.name,
      packages: flags.packages,
      readAll: Boolean(flags.checksum),
      verify: flags.verify,
      dryRun: Boolean(flags['dry-run']),
      yes: Boolean(flags.yes),
      events: Boolean(flags.events),
    };
  }
}

function notBoth(): ForgeError {
  return new ForgeError('Either an instance or --to-new.', {
    code: 'USAGE',
    exit: EXIT.usage,
    hint: 'forgectl snapshot restore NAME my-forge, or: forgectl snapshot restore NAME --to-new --best',
  });
}
