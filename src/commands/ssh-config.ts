import { Flags } from '@oclif/core';
import { BaseCommand } from '../cli/base-command.js';
import { dryRunFlag } from '../cli/flags.js';
import {
  applySshConfig,
  diffOf,
  planSshConfig,
  planSshConfigRemoval,
  type SshConfigPlan,
} from '../cli/ssh-config-plan.js';
import { EXIT } from '../errors.js';

export default class SshConfig extends BaseCommand<typeof SshConfig> {
  static override description = [
    'Let ssh, scp, rsync, sftp and editors reach your instances by name.',
    'Prints a configuration with a Host for each instance: its label, as far as that can be a name, and forgectl-<id>. The connection goes through forgectl, which asks the API where the instance is now, and host keys are compared with the ones that forgectl has pinned.',
    '--write puts it into ~/.ssh/forgectl.conf and one Include line at the top of ~/.ssh/config; --remove takes both away. All else in there stays as it is.',
  ].join('\n\n');
  static override flags = {
    write: Flags.boolean({ description: 'Write the file and include it.', exclusive: ['diff', 'remove'] }),
    diff: Flags.boolean({
      description: 'Show what --write would change; exit 10 when it would.',
      exclusive: ['remove', 'dry-run'],
    }),
    remove: Flags.boolean({ description: 'Take it away again.' }),
    'dry-run': dryRunFlag,
    'ssh-key': Flags.string({ description: 'Private key to log in with.', env: 'FORGECTL_SSH_KEY', helpValue: 'FILE' }),
  };
  static override examples = [
    { description: 'Set it up, and again after a launch', command: '<%= config.bin %> ssh-config --write' },
    { description: 'Is it up to date?', command: '<%= config.bin %> ssh-config --diff' },
    { description: 'Then, for example', command: 'rsync -a my-forge:/workspace/outputs/ outputs/' },
  ];

  async run(): Promise<Record<string, unknown>> {
    const { flags } = this;
    const plan = flags.remove ? planSshConfigRemoval(this.context) : await this.plan();
    const isChange = plan.changes.some(({ before, after }) => before !== after);
    const changesFiles = flags.write || flags.remove;
    for (const note of plan.notes) this.context.reporter.warn(note);
    if (changesFiles && !flags['dry-run']) await applySshConfig(plan);
    if (flags.diff && isChange) process.exitCode = EXIT.changeAvailable;
    if (flags.diff || (changesFiles && flags['dry-run'])) this.answer(diffOf(plan));
    else this.answer(changesFiles ? summary(plan, isChange) : contentOf(plan));
    return document(plan, { isChange, isWritten: changesFiles && !flags['dry-run'] && isChange });
  }

  private async plan(): Promise<SshConfigPlan> {
    const vast = await this.context.vast();
    return planSshConfig(this.context, await vast.instances.list(), this.flags['ssh-key'] ?? null);
  }
}

function contentOf({ changes: [{ after }] }: SshConfigPlan): string {
  return Buffer.from(after ?? '', 'latin1').toString('utf8');
}

function summary({ hosts, changes: [managed, user] }: SshConfigPlan, isChange: boolean): string {
  if (!isChange) return managed.after === null ? 'There is nothing to remove.' : 'It is up to date.';
  const lines = [managed, user].flatMap(({ path, before, after }) => {
    if (before === after) return [];
    return `${after === null ? 'Removed' : before === null ? 'Wrote' : 'Changed'} ${path}`;
  });
  const [first] = hosts;
  if (first !== undefined) lines.push(...hosts.map(({ aliases }) => `  ssh ${aliases.join('  or  ssh ')}`));
  return lines.join('\n');
}

function document(
  { hosts, include, notes, changes: [managed, user] }: SshConfigPlan,
  { isChange, isWritten }: { isChange: boolean; isWritten: boolean },
): Record<string, unknown> {
  const text = (bytes: string | null): string | null =>
    bytes === null ? null : Buffer.from(bytes, 'latin1').toString('utf8');
  return {
    path: managed.path,
    config_path: user.path,
    include_line: text(include)?.trimEnd() ?? null,
    changes: isChange,
    written: isWritten,
    hosts,
    notes,
    content: text(managed.after),
  };
}
