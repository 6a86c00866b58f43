import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../../cli/base-command.js';
import { changeFlags, eventsFlag, instanceArg } from '../../cli/flags.js';
import { selectInstances } from '../../cli/select-instances.js';
import { folderFlag } from '../../cli/snapshot-flags.js';
import { EXIT } from '../../errors.js';

export default class SnapshotCreate extends BaseCommand<typeof SnapshotCreate> {
  static override description = [
    "Keep a machine's workspace: Forge with its commit and edits, extensions, models, pictures, a list of the Python packages, and what it was launched with.",
    '',
    'Each content is stored once, by its hash: another snapshot into the same folder copies only what is new. Forge may go on meanwhile; ' +
      'a file that changes while it is read is read again, and named when it never rests. One that was cut off is unfinished, is ' +
      'never restored, and the same line goes on with it.',
  ].join('\n');
  static override args = {
    instance: instanceArg,
    folder: Args.string({ description: 'The folder, as with --dir.' }),
  };
  static override flags = {
    dir: folderFlag,
    name: Flags.string({ description: 'Its name; the label and the time when left out.', helpValue: 'NAME' }),
    exclude: Flags.string({
      description:
        "Leave out what fits, as in .gitignore, from the workspace on: '*.mp4', '/outputs/'; may be repeated.",
      helpValue: 'GLOB',
      multiple: true,
      multipleNonGreedy: true,
    }),
    models: Flags.boolean({ description: 'Models too.', default: true, allowNo: true }),
    'with-env': Flags.boolean({ description: 'Also .env, which may hold secrets.' }),
    checksum: Flags.boolean({ description: 'Read every file, also those of the same size and time as last time.' }),
    'stop-forge': Flags.boolean({ description: 'Stop Forge while its files are read, and start it again.' }),
    ...changeFlags,
    events: eventsFlag,
  };
  static override examples = [
    { description: 'All of it, to ~/forgectl-snapshots', command: '<%= config.bin %> snapshot create my-forge' },
    {
      description: 'Without models, to another disk',
      command: '<%= config.bin %> snapshot create my-forge /mnt/backup --no-models --name before-upgrade',
    },
    { description: 'What it would copy', command: '<%= config.bin %> snapshot create my-forge --dry-run' },
  ];

  async run(): Promise<Record<string, unknown>> {
    const { args, context, flags } = this;
    const { createSnapshotOf } = await import('../../cli/snapshot-create.js');
    const { createdLines, estimateDocument, estimateLines, manifestDocument } = await import(
      '../../cli/snapshot-output.js'
    );
    // With one machine the only word may be the folder.
    const isFolder = args.folder === undefined && /^(?:\.{0,2}\/|~|\.$)/u.test(args.instance ?? '');
    const names = args.instance === undefined || isFolder ? [] : [args.instance];
    const all = await (await context.vast()).instances.list();
    const [instance] = selectInstances(all, { names, selfId: context.selfId }) as [(typeof all)[number]];
    const answer = await createSnapshotOf(context, instance, {
      folder: (isFolder ? args.instance : args.folder) ?? flags.dir ?? null,
      name: flags.name ?? null,
      exclude: flags.exclude ?? [],
      models: flags.models,
      env: Boolean(flags['with-env']),
      readAll: Boolean(flags.checksum),
      stopForge: Boolean(flags['stop-forge']),
      dryRun: Boolean(flags['dry-run']),
      yes: Boolean(flags.yes),
      events: Boolean(flags.events),
    });
    const { manifest } = answer;
    this.answer((manifest === null ? estimateLines(answer) : createdLines(answer)).join('\n'));
    if (manifest?.problems.some(({ kind }) => kind !== 'special')) process.exitCode = EXIT.partlyFailed;
    if (manifest === null) return { dry_run: true, ...estimateDocument(answer) };
    return { dry_run: false, place: answer.place, run: answer.run, ...manifestDocument(manifest) };
  }
}
