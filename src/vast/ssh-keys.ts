import type { VastClient } from './client.js';
import type { AccountSshKey } from './model.js';
import { readNothing, readSshKeys } from './schema.js';

export function sshKeysApi(client: VastClient) {
  return {
    list: (): Promise<AccountSshKey[]> => client.request({ method: 'GET', route: '/api/v0/ssh/', read: readSshKeys }),
    async add(publicKey: string): Promise<void> {
      await client.request({ method: 'POST', route: '/api/v0/ssh/', body: { ssh_key: publicKey }, read: readNothing });
    },
  };
}
