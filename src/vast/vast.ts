import type { Clock } from '../clock.js';
import { accountApi } from './account.js';
import { chargesApi } from './charges.js';
import type { VastClient } from './client.js';
import { copiesApi } from './copies.js';
import { instancesApi } from './instances.js';
import { offersApi } from './offers.js';
import { scheduledJobsApi } from './scheduled-jobs.js';
import { secretsApi } from './secrets.js';
import { sshKeysApi } from './ssh-keys.js';
import { templatesApi } from './templates.js';
import { volumesApi } from './volumes.js';

/** The API by resource. */
export function createVast(client: VastClient, clock: Clock) {
  return {
    account: accountApi(client),
    offers: offersApi(client),
    instances: instancesApi(client, clock),
    secrets: secretsApi(client),
    sshKeys: sshKeysApi(client),
    templates: templatesApi(client),
    charges: chargesApi(client),
    copies: copiesApi(client),
    scheduledJobs: scheduledJobsApi(client),
    volumes: volumesApi(client),
    close: () => client.close(),
    countCalls: () => client.calls,
  };
}

export type Vast = ReturnType<typeof createVast>;
