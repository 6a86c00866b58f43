import { Flags } from '@oclif/core';
import { busyFlags, changeFlags, durationFlag, eventsFlag, instancesArg } from '../../cli/flags.js';
import { InstanceCommand } from '../../cli/instance-command.js';
import { type UpgradeRequest, upgradeInstances } from '../../cli/upgrade-many.js';
import { EXIT } from '../../errors.js';

export default class Upgrade extends InstanceCommand<typeof Upgrade> {
  static override description =
    'Bring Forge to another commit: local edits kept, torch untouched, proved to answer over HTTP, or put back as it was (exit 11).';
  static override args = { instance: instancesArg };
  static override flags = {
    ref: Flags.string({
      description:
        'Branch, tag, commit, or number of a pull request; without it the tip of the branch that the checkout follows.',
      env: 'FORGECTL_REF',
      helpValue: 'REF',
    }),
    remote: Flags.string({
      description: 'Switch to another repository: another variant, or a fork.',
      helpValue: 'URL',
    }),
    extensions: Flags.boolean({
      description: 'Upgrade the extensions instead of Forge itself: all that have a repository of their own.',
      exclusive: ['ref', 'remote', 'rollback'],
    }),
    extension: Flags.string({
      description: 'Only this extension; may be repeated.',
      helpValue: 'NAME',
      multiple: true,
      multipleNonGreedy: true,
      exclusive: ['ref', 'remote', 'rollback'],
    }),
    rollback: Flags.boolean({
      description: 'Back to where the last upgrade came from, packages included.',
      exclusive: ['ref', 'remote', 'check'],
    }),
    check: Flags.boolean({ description: `Only look: exit ${EXIT.changeAvailable} when there is something newer.` }),
    ...busyFlags,
    parallel: Flags.integer({ description: 'Of several instances, so many at a time.', default: 1, min: 1, max: 50 }),
    canary: Flags.boolean({ description: 'Of several instances, one first; the others when it is proved.' }),
    'put-back-after': durationFlag({
      description:
        'When nothing is heard of forgectl for so long, the machine puts itself back: a lost connection, a computer that died. Without it 15m.',
      helpValue: '15m',
      env: 'FORGECTL_PUT_BACK_AFTER',
    }),
    'break-lock': Flags.boolean({ description: 'Also when another run holds the machine.' }),
    ...changeFlags,
    events: eventsFlag,
  };
  static override examples = [
    { description: 'Back to before the last one', command: '<%= config.bin %> upgrade my-forge --rollback' },
    { description: 'What is newer, and what it would change', command: '<%= config.bin %> upgrade my-forge --dry-run' },
    { description: 'To a tag', command: '<%= config.bin %> upgrade my-forge --ref v2.1.0 --yes' },
    { description: 'Is there something newer? (exit 10)', command: '<%= config.bin %> upgrade my-forge --check' },
    {
      description: 'Three machines, one first',
      command: '<%= config.bin %> upgrade a b c --canary --parallel 2 --yes',
    },
  ];

  async run(): Promise<Record<string, unknown>> {
    const { flags } = this;
    const mode = flags.check ? 'check' : flags['dry-run'] ? 'dry-run' : 'go';
    const { document, text, exitCode } =
      flags.extensions || flags.extension !== undefined ? await this.extensions(mode) : await this.forge(mode);
    this.answer(text);
    if (exitCode !== EXIT.done) process.exitCode = exitCode;
    return document;
  }

  private async extensions(mode: UpgradeRequest['mode']) {
    const { upgradeExtensionsOf } = await import('../../cli/upgrade-extensions.js');
    const { extension = [], yes, 'put-back-after': putBackAfterMs = null } = this.flags;
    const request = { names: extension, mode, yes, putBackAfterMs };
    return upgradeExtensionsOf(this.context, await this.selectedOne(), request);
  }

  private async forge(mode: UpgradeRequest['mode']) {
    const { flags } = this;
    return upgradeInstances(this.context, await this.selected(), {
      wishes: { ref: flags.ref ?? null, remoteUrl: flags.remote ?? null, pins: null },
      rollback: flags.rollback,
      mode,
      yes: flags.yes,
      ifBusy: flags['if-busy'],
      busyTimeoutMs: flags['busy-timeout'],
      parallel: flags.parallel,
      canary: flags.canary,
      breakLock: flags['break-lock'],
      putBackAfterMs: flags['put-back-after'] ?? null,
    });
  }
}
