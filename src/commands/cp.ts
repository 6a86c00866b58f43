import { BaseCommand } from '../cli/base-command.js';
import { copyArgs, copyFlags } from '../cli/copy-flags.js';
import { copyDocument, dryRunLines, outcomeLines } from '../cli/copy-output.js';
import { copyFiles, isComplete } from '../cli/copy-run.js';
import { EXIT } from '../errors.js';

export default class Cp extends BaseCommand<typeof Cp> {
  static override description = [
    'Copy files and trees between this computer and instances, or between two instances.',
    '',
    'An end on an instance is INSTANCE:PATH (id, C.<id>, label or a unique start of it; nothing for the only one). A path ' +
      'that does not begin with / counts from its workspace. A file here with a colon in its name is ./a:b.',
    '',
    'As with cp: into DESTINATION when it is a directory, ends with / or gets several sources, else under that name; DIR/. ' +
      'stands for what is in DIR. Files that differ are replaced, nothing is ever deleted, and each file appears only ' +
      'when it is whole. Permissions, times, links, hard links and holes are kept; setuid bits are not. Of the links of an ' +
      'instance, those that lead out of what is copied are left out (--links makes them).',
  ].join('\n');
  static override args = copyArgs;
  static override strict = false;
  static override usage = 'cp SOURCE... DESTINATION [FLAGS]';
  static override flags = copyFlags;
  static override examples = [
    { description: 'A model', command: '<%= config.bin %> cp model.safetensors my-forge:models/Stable-diffusion/' },
    { description: "The only instance's pictures", command: '<%= config.bin %> cp :outputs ./pictures' },
    {
      description: 'Between two instances, through here, contents compared',
      command: '<%= config.bin %> cp old:models/. new:models --verify full',
    },
    {
      description: 'What would be copied',
      command: "<%= config.bin %> cp my-forge:stable-diffusion-webui-forge . --exclude '*.safetensors' --dry-run",
    },
  ];

  async run(): Promise<Record<string, unknown>> {
    const { flags } = this;
    const report = await copyFiles(this.context, {
      words: this.words,
      exclude: flags.exclude ?? [],
      excludeFrom: flags['exclude-from'] ?? null,
      noClobber: flags['no-clobber'],
      update: flags.update,
      resume: flags.resume,
      followLinks: flags['follow-links'],
      links: flags.links,
      verify: flags.verify,
      bwlimit: flags.bwlimit ?? null,
      parallel: flags.parallel ?? null,
      stallMs: flags['stall-timeout'],
      sshKey: flags['ssh-key'] ?? null,
      dryRun: flags['dry-run'],
      events: flags.events,
    });
    const { outcome } = report;
    this.answer((outcome === null ? dryRunLines(report) : outcomeLines(report, outcome, flags.verify)).join('\n'));
    if (!isComplete(report)) process.exitCode = EXIT.partlyFailed;
    return copyDocument(report, flags.verify);
  }
}
