import { Args } from '@oclif/core';
import { BaseCommand } from '../cli/base-command.js';
import { changeFlags } from '../cli/flags.js';
import { nameOf, selectInstances } from '../cli/select-instances.js';
import { EXIT, ForgeError } from '../errors.js';

/** vast-api: label PUT takes up to 1024, create up to 256; one limit for both is easier to remember. */
const MAX_LABEL_LENGTH = 256;

export default class Label extends BaseCommand<typeof Label> {
  static override description = 'Give an instance a label, by which every command can name it.';
  static override args = {
    instance: Args.string({
      description: 'The instance: id, C.<id>, label or unique start of a label.',
      required: true,
    }),
    label: Args.string({ description: 'The new label; "" takes it away.', required: true }),
  };
  static override flags = { ...changeFlags };
  static override examples = [{ description: 'Name an instance', command: '<%= config.bin %> label 1234567 my-forge' }];

  async run(): Promise<Record<string, unknown>> {
    const label = this.args.label.trim();
    const vast = await this.context.vast();
    const all = await vast.instances.list();
    const [instance] = selectInstances(all, { names: [this.args.instance], selfId: this.context.selfId });
    if (instance === undefined) throw new Error('selectInstances gave nothing for one name');
    refuseBadLabel(
      label,
      all.filter((other) => other.id !== instance.id).map((other) => other.label),
    );
    const outcome = { id: instance.id, label_before: instance.label, label: label === '' ? null : label };
    if (this.flags['dry-run']) {
      this.answer(`Would label ${nameOf(instance)} "${label}".`);
      return { dry_run: true, ...outcome };
    }
    await vast.instances.setLabel(instance.id, label);
    const after = await vast.instances.get(instance.id);
    if ((after?.label ?? '') !== label) {
      throw new ForgeError(
        `The label of instance ${instance.id} was accepted, but reads back as "${after?.label ?? ''}".`,
        {
          code: 'LABEL_NOT_SET',
          exit: EXIT.apiFailed,
          hint: `forgectl show ${instance.id}`,
        },
      );
    }
    this.answer(
      label === '' ? `Instance ${instance.id} has no label now.` : `Instance ${instance.id} is now ${label}.`,
    );
    return outcome;
  }
}

function refuseBadLabel(label: string, taken: (string | null)[]): void {
  const problem =
    [...label].length > MAX_LABEL_LENGTH
      ? `A label has at most ${MAX_LABEL_LENGTH} characters.`
      : /\p{Cc}/u.test(label)
        ? 'A label has no control characters.'
        : /^(C\.)?\d+$|^self$/u.test(label)
          ? `"${label}" reads as an id; commands could not tell them apart.`
          : null;
  if (problem !== null)
    throw new ForgeError(problem, { code: 'BAD_LABEL', exit: EXIT.usage, hint: 'Choose another label.' });
  if (label !== '' && taken.includes(label)) {
    throw new ForgeError(`Another instance has the label "${label}".`, {
      code: 'LABEL_IN_USE',
      exit: EXIT.conflict,
      hint: 'forgectl ls shows them.',
    });
  }
}
