import type { VastClient } from './client.js';
import { readNothing } from './schema/fields.js';

export interface CopyOrder {
  sourceId: number;
  destinationId: number;
  /** With a slash at the end: what is in it; without: the directory itself, into the destination (rsync's rule). */
  sourcePath: string;
  destinationPath: string;
}

/** The platform's own copy between instances, which need not run (vast-api 9.1). It tells of neither its end nor a failure. */
export function copiesApi(client: VastClient) {
  const route = '/api/v0/commands/copy_direct/';
  return {
    /** Accepted is all that this means. Sent again only when it surely was not carried out. */
    async start({ sourceId, destinationId, sourcePath, destinationPath }: CopyOrder): Promise<void> {
      const body = {
        client_id: 'me',
        src_id: `C.${sourceId}`,
        dst_id: `C.${destinationId}`,
        src_path: sourcePath,
        dst_path: destinationPath,
      };
      await client.request({ method: 'PUT', route, body, read: readNothing });
    },
    /** Ends every copy into this instance, whoever has started it. */
    async cancel(destinationId: number): Promise<void> {
      const body = { client_id: 'me', dst_id: String(destinationId) };
      await client.request({ method: 'DELETE', route, body, read: readNothing });
    },
  };
}
