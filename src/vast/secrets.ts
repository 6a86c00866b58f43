import type { VastClient } from './client.js';
import { readSecretNames } from './schema/account.js';
import { readNothing } from './schema/fields.js';

const ROUTE = '/api/v0/secrets/';

/** Variables of the account, which every new container gets. The API keeps names in capitals, and tells no values. */
export function secretsApi(client: VastClient) {
  return {
    list: (): Promise<string[]> => client.request({ method: 'GET', route: ROUTE, read: readSecretNames }),
    async create(key: string, value: string): Promise<void> {
      await client.request({ method: 'POST', route: ROUTE, body: { key, value }, read: readNothing });
    },
    async update(key: string, value: string): Promise<void> {
      await client.request({ method: 'PUT', route: ROUTE, body: { key, value }, read: readNothing });
    },
    async remove(key: string): Promise<void> {
      await client.request({ method: 'DELETE', route: ROUTE, body: { key }, read: readNothing });
    },
  };
}
