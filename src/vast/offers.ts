import type { VastClient } from './client.js';
import type { Offer, OfferType } from './model.js';
import { readOffers } from './schema.js';

export type FilterValue = string | number | boolean | null | (string | number)[];
export type Filters = Record<string, Record<string, FilterValue>>;

export interface OfferQuery {
  /** Field -> operator -> value, in the API's own units (MB, seconds). Sent as given: server-side defaults are undocumented. */
  filters: Filters;
  order: [field: string, direction: 'asc' | 'desc'][];
  limit: number;
  type: OfferType;
  /** Part of every price: the disk that will be asked for. */
  allocatedStorageGb: number;
}

export function offersApi(client: VastClient) {
  return {
    async search(query: OfferQuery): Promise<Offer[]> {
      const { filters, order, limit, type, allocatedStorageGb } = query;
      const { offers } = await client.request({
        method: 'POST',
        route: '/api/v0/bundles/',
        body: {
          ...filters,
          ...(order.length === 0 ? {} : { order }),
          limit,
          type,
          allocated_storage: allocatedStorageGb,
        },
        read: readOffers,
      });
      return offers;
    },
  };
}
