import { Args, type Command, Flags } from '@oclif/core';
import { actOnServices, type ServiceAnswer, type ServiceRequest } from './act-on-services.js';
import { BaseCommand } from './base-command.js';
import { changeFlags, durationFlag } from './flags.js';
import { splitInstanceWords } from './instance-words.js';
import { isServiceOfImage, serviceNeeded } from './service-words.js';

const serviceArgs = {
  instance: Args.string({
    description:
      'The instance, by id, C.<id>, label or unique start of a label; "-" or nothing when there is exactly one.',
  }),
  service: Args.string({
    description: 'Services, by their names in service ls or by those of supervisor (instance_portal).',
  }),
};

const forceFlag = Flags.boolean({
  description: 'Also what is refused: management services, skipped ones, a machine that another run works on.',
});

export const actionFlags = { force: forceFlag, ...changeFlags };

export const waitFlags = {
  wait: Flags.boolean({ description: 'Wait until it answers; for Forge until its page stays.' }),
  timeout: durationFlag({
    description: 'With --wait: how long (exit 7).',
    helpValue: '15m',
    default: 15 * 60_000,
    defaultHelp: async () => '15m',
  }),
};

/** A command about `[INSTANCE] [SERVICE ..]`. */
export abstract class ServiceCommand<T extends typeof Command> extends BaseCommand<T> {
  static override strict = false;
  static override args = serviceArgs;

  protected async target() {
    const vast = await this.context.vast();
    const { instance, words } = splitInstanceWords(await vast.instances.list(), this.words, {
      selfId: this.context.selfId,
      isWord: isServiceOfImage,
    });
    return { instance, services: words };
  }

  /** One of the three actions on the services that were named. */
  protected async act(request: Omit<ServiceRequest, 'services'>): Promise<Record<string, unknown>> {
    const { instance, services } = await this.target();
    if (services.length === 0) throw serviceNeeded(`service ${request.action}`, instance);
    const { document, text }: ServiceAnswer = await actOnServices(this.context, instance, { ...request, services });
    this.answer(text);
    return document;
  }
}
