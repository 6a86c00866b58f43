import { Flags } from '@oclif/core';
import { changeFlags, instancesArg } from '../../cli/flags.js';
import { InstanceCommand } from '../../cli/instance-command.js';
import { instanceKeyDependencies } from '../../cli/key-access.js';
import { type NamedKey, readNamedKey } from '../../cli/public-key-input.js';
import { nameOf } from '../../cli/select-instances.js';
import { type Outcome, settleSeveral } from '../../cli/several.js';
import type { Instance } from '../../vast/model.js';
import { type AttachOutcome, attachKey } from '../../workflows/attach-key.js';

export default class KeysAttach extends InstanceCommand<typeof KeysAttach> {
  static override description =
    'Attach an SSH key to instances through the API, and prove it with a fresh login. Without --key: the key that forgectl logs in with.';
  static override args = { instance: instancesArg };
  static override flags = {
    key: Flags.string({
      description: 'Another key: a private key file, or a public one that somebody has given you.',
      helpValue: 'FILE',
    }),
    'no-verify': Flags.boolean({ description: 'Do not log in to see that it works.' }),
    ...changeFlags,
  };
  static override examples = [
    { description: 'The only instance', command: '<%= config.bin %> keys attach' },
    {
      description: "A colleague's key",
      command: '<%= config.bin %> keys attach my-forge --key colleague.pub',
    },
  ];

  async run(): Promise<Record<string, unknown>> {
    const named = await readNamedKey(this.context, this.flags.key ?? null);
    const instances = await this.selected();
    const about = { fingerprint: named.key.fingerprint, key: named.description };
    if (this.flags['dry-run']) {
      const names = instances.map(nameOf).join(', ');
      this.answer(`Would attach ${named.key.fingerprint} (${named.description}) to ${names}.`);
      return { dry_run: true, ...about, instances: instances.map(({ id, label }) => ({ id, label })) };
    }
    const deps = await instanceKeyDependencies(this.context, { publicKey: named.key.line, identity: named.identity });
    const outcomes = await settleSeveral(this.context, instances, (instance) =>
      attachKey(deps, instance, this.noLogin(named)),
    );
    for (const outcome of outcomes) this.tell(outcome, named);
    return { dry_run: false, ...about, instances: outcomes.map(document) };
  }

  private noLogin({ identity }: NamedKey): string | null {
    if (this.flags['no-verify']) return '--no-verify';
    return identity === null ? 'its private half is not on this computer' : null;
  }

  private tell({ instance, value }: Outcome<AttachOutcome>, { key }: NamedKey): void {
    if (value === null) return;
    const what = `${key.fingerprint} ${value.wasAttached ? 'was attached already' : 'is attached'}`;
    const proof = value.verified ? `a fresh login works (${value.via})` : `not proved: ${value.unverifiedBecause}`;
    this.answer(`${nameOf(instance)}: ${what}; ${proof}`);
  }
}

function document({
  instance,
  value,
  error,
}: Outcome<AttachOutcome> & { instance: Instance }): Record<string, unknown> {
  return {
    id: instance.id,
    label: instance.label,
    attached: value !== null,
    was_attached: value?.wasAttached ?? null,
    verified: value?.verified ?? null,
    unverified_because: value?.unverifiedBecause ?? null,
    ssh_via: value?.via ?? null,
    error,
  };
}
