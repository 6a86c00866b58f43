import type { VastClient } from './client.js';
import type { Volume } from './model.js';
import { readNothing } from './schema/fields.js';
import { readVolumes } from './schema/volume.js';

export function volumesApi(client: VastClient) {
  const route = '/api/v0/volumes/';
  return {
    async list(): Promise<Volume[]> {
      const query = { owner: 'me', type: 'all_volume' };
      return (await client.request({ method: 'GET', route, query, read: readVolumes })).volumes;
    },
    /** The published spec wants the id in the body, the official client in the query (vast-api 9.3). */
    async remove(id: number): Promise<void> {
      await client.request({ method: 'DELETE', route, query: { id }, body: { id }, read: readNothing });
    },
  };
}
