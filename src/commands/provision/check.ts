import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../../cli/base-command.js';
import { positiveNumberFlag } from '../../cli/flags.js';
import { checkDocument, checkProvisioning, findingLines, hasErrors, summaryLine } from '../../cli/provision-check.js';
import { readProvisioning } from '../../cli/provisioning-source.js';
import { EXIT } from '../../errors.js';

export default class ProvisionCheck extends BaseCommand<typeof ProvisionCheck> {
  static override description =
    `Check a provisioning script or manifest before a machine is paid for: syntax, quoting, what breaks this image, secrets in clear text, addresses that answer, and the disk that the downloads need. Exit ${EXIT.notReady} when there is an error; warnings alone are 0. A manifest is checked for its structure; the machine's provisioner reads the rest.`;
  static override args = {
    source: Args.string({ description: 'A script or manifest (.yaml), as a file or an address.', required: true }),
  };
  static override flags = {
    offline: Flags.boolean({ description: 'Ask none of the addresses in it.' }),
    disk: positiveNumberFlag({ description: 'The disk that is to be rented.', helpValue: 'GB', env: 'FORGECTL_DISK' }),
  };
  static override examples = [
    { description: 'A file', command: '<%= config.bin %> provision check setup.sh' },
    { description: 'Do its downloads fit?', command: '<%= config.bin %> provision check setup.sh --disk 60' },
  ];

  async run(): Promise<Record<string, unknown>> {
    const { args, flags, context } = this;
    const file = await readProvisioning(args.source, { fetches: true });
    const offline = Boolean(flags.offline);
    const check = await checkProvisioning(
      { kind: file.kind, text: file.text ?? '' },
      { offline, diskGb: flags.disk ?? null },
    );
    this.answer(findingLines(check, file.name).join('\n'));
    context.reporter.info(summaryLine(check, offline));
    if (hasErrors(check)) process.exitCode = EXIT.notReady;
    return { source: file.name, kind: file.kind, ...checkDocument(check) };
  }
}
