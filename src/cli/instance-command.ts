import type { Command } from '@oclif/core';
import type { Instance } from '../vast/model.js';
import { BaseCommand } from './base-command.js';
import { selectInstances } from './select-instances.js';

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
}
