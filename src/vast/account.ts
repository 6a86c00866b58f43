import { isRecord, type VastClient } from './client.js';
import type { User } from './model.js';
import { readApiKeys, readKeyId, readUser } from './schema/account.js';
import { readNothing } from './schema/fields.js';
import { VastError } from './vast-error.js';

export interface Scope {
  category: string;
  neededFor: string;
  /** Null: cannot be found out without changing something. */
  granted: boolean | null;
}

/** vast-api 1.4: what forgectl needs of each category, and the cheapest read that proves it. */
const CATEGORIES: {
  category: string;
  neededFor: string;
  probe: { route: string; query?: Record<string, unknown> } | null;
}[] = [
  { category: 'user_read', neededFor: 'account, SSH keys, templates', probe: { route: '/api/v0/ssh/' } },
  { category: 'user_write', neededFor: 'adding your SSH key', probe: null },
  {
    category: 'instance_read',
    neededFor: 'listing instances',
    probe: { route: '/api/v1/instances/', query: { limit: 1 } },
  },
  { category: 'instance_write', neededFor: 'renting, stopping, destroying', probe: null },
  { category: 'misc', neededFor: 'searching offers', probe: null },
  {
    category: 'billing_read',
    neededFor: 'costs',
    // A range is required (published spec); one without charges does as well.
    probe: { route: '/api/v0/charges/', query: { select_filters: { day: { gte: 0, lte: 86_400 } }, limit: 1 } },
  },
];

export function accountApi(client: VastClient) {
  const user = (): Promise<User> => client.request({ method: 'GET', route: '/api/v0/users/current/', read: readUser });

  return {
    getUser: user,
    /** Reads are tried; writes are looked up in the list of keys where the key may read it. */
    async probeScopes(): Promise<Scope[]> {
      const listed = await listedPermissions(client);
      const scopes: Scope[] = [];
      for (const { category, neededFor, probe } of CATEGORIES) {
        const granted = listed?.has(category) ?? (probe === null ? null : await mayRead(client, probe));
        scopes.push({ category, neededFor, granted });
      }
      return scopes;
    },
  };
}

/** Categories of the key in use; null when the API does not tell which key that is or the key may not look. */
async function listedPermissions(client: VastClient): Promise<Set<string> | null> {
  try {
    const { key_id: keyId } = await client.request({ method: 'GET', route: '/api/v0/users/current/', read: readKeyId });
    const { apikeys } = await client.request({ method: 'GET', route: '/api/v0/auth/apikeys/', read: readApiKeys });
    const key = apikeys.find((candidate) => candidate.id === keyId);
    const permissions = isRecord(key?.permissions) ? key.permissions['api'] : null;
    return isRecord(permissions) ? new Set(Object.keys(permissions)) : null;
  } catch (error) {
    if (error instanceof VastError) return null;
    throw error;
  }
}

async function mayRead(
  client: VastClient,
  probe: { route: string; query?: Record<string, unknown> },
): Promise<boolean | null> {
  try {
    await client.request({ method: 'GET', ...probe, read: readNothing });
    return true;
  } catch (error) {
    if (!(error instanceof VastError)) throw error;
    return error.code === 'NOT_PERMITTED' || error.code === 'NOT_SIGNED_IN' ? false : null;
  }
}
