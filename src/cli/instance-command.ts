import type { Command } from '@oclif/core';
import type { Instance } from '../vast/model.js';
import { BaseCommand } from './base-command.js';
import { selectInstances } from './select-instances.js';

/** A command about instances that are named on the line. One list call serves all names. */
export abstract class InstanceCommand<T extends typeof Command> extends BaseCommand<T> {
  static override strict = false;

  /** The words after the command that are not flags. oclif keeps them all in argv when `strict` is off. */
  protected names: string[] = [];

  override async init(): Promise<void> {
    await super.init();
    const { argv } = await this.parse({ ...this.ctor, baseFlags: BaseCommand.baseFlags });
    this.names = argv as string[];
  }

  protected async selected(): Promise<Instance[]> {
    const vast = await this.context.vast();
    return selectInstances(await vast.instances.list(), { names: this.names, selfId: this.context.selfId });
  }
}
