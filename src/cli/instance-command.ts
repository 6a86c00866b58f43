import type { Command } from '@oclif/core';
import { EXIT, ForgeError } from '../errors.js';
import type { Instance } from '../vast/model.js';
import { BaseCommand } from './base-command.js';
import { selectInstances } from './select-instances.js';
import { shellWord } from './typed-command.js';

/** A command about instances that are named on the line. One list call serves all names. */
export abstract class InstanceCommand<T extends typeof Command> extends BaseCommand<T> {
  static override strict = false;

  /** Instances as named on the line. */
  protected get names(): string[] {
    return this.words;
  }

  protected async selected(): Promise<Instance[]> {
    const vast = await this.context.vast();
    return selectInstances(await vast.instances.list(), { names: this.names, selfId: this.context.selfId });
  }

  /** For commands about one machine. */
  protected async selectedOne(): Promise<Instance> {
    const [only, ...others] = await this.selected();
    if (only !== undefined && others.length === 0) return only;
    throw new ForgeError('One instance at a time.', {
      code: 'USAGE',
      exit: EXIT.usage,
      hint: `forgectl ${this.id?.replaceAll(':', ' ')} ${shellWord(this.names[0] ?? 'INSTANCE')}`,
    });
  }
}
