import type { VastClient } from './client.js';
import type { AccountSshKey } from './model.js';
import { readNothing } from './schema/fields.js';
import { readSshKeys } from './schema/ssh-key.js';
import { VastError } from './vast-error.js';

export function sshKeysApi(client: VastClient) {
  return {
    list: () => list(client),
    async add(publicKey: string): Promise<void> {
      await client.request({ method: 'POST', route: '/api/v0/ssh/', body: { ssh_key: publicKey }, read: readNothing });
    },
    async remove(id: number): Promise<void> {
      await client.request({ method: 'DELETE', route: '/api/v0/ssh/{id}/', params: { id }, read: readNothing });
    },
  };
}

/** 404 is documented as "no SSH keys"; one that is about the API key has another code (traps 12). */
async function list(client: VastClient): Promise<AccountSshKey[]> {
  try {
    return await client.request({ method: 'GET', route: '/api/v0/ssh/', read: readSshKeys });
  } catch (error) {
    if (error instanceof VastError && error.code === 'API_NOT_FOUND') return [];
    throw error;
  }
}
