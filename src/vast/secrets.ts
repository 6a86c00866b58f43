import type { VastClient } from './client.js';
import { readSecretNames } from './schema/account.js';
import { readNothing } from './schema/fields.js';
import { VastError } from './vast-error.js';

const ROUTE = '/api/v0/secrets/';

/** Variables of the account, which every new container gets. The API keeps names in capitals, and tells no values. */
export function secretsApi(client: VastClient) {
  return {
    list: (): Promise<string[]> => client.request({ method: 'GET', route: ROUTE, read: readSecretNames }),
    async create(key: string, value: string): Promise<void> {
      await withoutValue(
        value,
        client.request({ method: 'POST', route: ROUTE, body: { key, value }, read: readNothing }),
      );
    },
    async update(key: string, value: string): Promise<void> {
      await withoutValue(
        value,
        client.request({ method: 'PUT', route: ROUTE, body: { key, value }, read: readNothing }),
      );
    },
    async remove(key: string): Promise<void> {
      await client.request({ method: 'DELETE', route: ROUTE, body: { key }, read: readNothing });
    },
  };
}

/** The API's refusal may quote what it refuses. */
async function withoutValue(value: string, call: Promise<undefined>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!(error instanceof VastError) || value === '' || !JSON.stringify([error.message, error.facts]).includes(value))
      throw error;
    const hide = (text: string): string => text.replaceAll(value, '[redacted]');
    const { facts } = error;
    throw new VastError(hide(error.message), {
      code: error.code,
      exit: error.exit,
      hint: error.hint,
      facts: {
        ...facts,
        apiError: facts.apiError && hide(facts.apiError),
        apiMessage: facts.apiMessage && hide(facts.apiMessage),
      },
      outcomeUnknown: error.outcomeUnknown,
    });
  }
}
