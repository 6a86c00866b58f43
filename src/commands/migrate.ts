import { InstanceCommand } from '../cli/instance-command.js';
import { migrateArgs, migrateFlags } from '../cli/migrate-flags.js';
import type { MigrateAnswer, MigrateRequest } from '../cli/migrate-run.js';
import { EXIT, ForgeError } from '../errors.js';

export default class Migrate extends InstanceCommand<typeof Migrate> {
  static override description = [
    'Move a Forge with models, extensions, pictures and packages to another instance, and prove that it answers there.',
    '',
    'The image README does this by hand: delete the tree on the destination, copy /workspace, pip install the last backup, ' +
      "reboot. That deletes before anything was copied, the backup may be missing or old, and the platform's copy says " +
      'neither when it ends nor whether it worked. Here the copy grows beside the old tree while both go on; Forge is ' +
      'stopped only for what has changed meanwhile; every path is compared before two renames put the copy in place; ' +
      'packages come from a fresh freeze, torch left alone; and what was there before is dropped only when Forge has ' +
      'answered after a reboot. Whatever is cut off: forgectl resume goes on, forgectl undo takes it back. The source is ' +
      'only read.',
  ].join('\n');
  static override args = migrateArgs;
  static override usage = 'migrate SOURCE DESTINATION|--to-new [FLAGS]';
  static override flags = migrateFlags;
  static override examples = [
    { description: 'What would be done', command: '<%= config.bin %> migrate old-forge new-forge --dry-run' },
    {
      description: 'Contents compared; the source stopped when all is proved',
      command: '<%= config.bin %> migrate old-forge new-forge --verify full --stop-source --yes',
    },
    {
      description: 'To a machine that is rented for it',
      command: '<%= config.bin %> migrate old-forge --to-new --gpu RTX_4090 --best --yes',
    },
    { description: 'Go on after a cut', command: '<%= config.bin %> resume' },
  ];

  async run(): Promise<Record<string, unknown>> {
    const [source, destination, ...more] = this.names;
    const isNew = Boolean(this.flags['to-new']);
    if (source === undefined || more.length > 0 || (destination === undefined) !== isNew) throw usage();
    const { document, text, isPartial } = await (isNew ? this.toNew() : this.toOther());
    this.answer(text);
    if (isPartial) process.exitCode = EXIT.partlyFailed;
    return document;
  }

  private async toOther(): Promise<MigrateAnswer> {
    const { refuseLaunchFlags } = await import('../cli/launch-like.js');
    const { migrateInstances } = await import('../cli/migrate-run.js');
    refuseLaunchFlags(this.argv);
    const [source, destination = source] = await this.selected();
    return migrateInstances(this.context, [source as never, destination as never], await this.request());
  }

  private async toNew(): Promise<MigrateAnswer> {
    const { migrateToNew } = await import('../cli/migrate-new.js');
    const { flags, argv } = this;
    return migrateToNew(this.context, await this.selectedOne(), {
      ...(await this.request()),
      flags,
      argv,
      withSecrets: false,
    });
  }

  private async request(): Promise<MigrateRequest> {
    const { moveWishes } = await import('../cli/migrate-wishes.js');
    const { flags } = this;
    const afterwards = flags['destroy-source'] ? 'destroy' : flags['stop-source'] ? 'stop' : 'keep';
    const keepSourceRunning = Boolean(flags['keep-source-running']);
    return moveWishes(flags, { kind: 'migrate', afterwards, keepSourceRunning });
  }
}

function usage(): ForgeError {
  return new ForgeError('A source and a destination are needed.', {
    code: 'USAGE',
    exit: EXIT.usage,
    hint: 'forgectl migrate old-forge new-forge, or: forgectl migrate old-forge --to-new',
  });
}
