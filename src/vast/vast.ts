import type { Clock } from '../clock.js';
import { accountApi } from './account.js';
import type { VastClient } from './client.js';
import { instancesApi } from './instances.js';
import { offersApi } from './offers.js';
import { sshKeysApi } from './ssh-keys.js';
import { templatesApi } from './templates.js';

/** The API by resource. */
export function createVast(client: VastClient, clock: Clock) {
  return {
    account: accountApi(client),
    offers: offersApi(client),
    instances: instancesApi(client, clock),
    sshKeys: sshKeysApi(client),
    templates: templatesApi(client),
    close: () => client.close(),
    countCalls: () => client.calls,
  };
}

export type Vast = ReturnType<typeof createVast>;
