import type { VastClient } from './client.js';
import type { Offer, OfferType } from './model.js';
import { fitsFilters, type OfferRow } from './offer-filter.js';
import { readOffers } from './schema/offer.js';

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

/** An offer, and the names of the filters that would hide it. */
export interface JudgedOffer {
  offer: Offer;
  failed: string[];
}

export function offersApi(client: VastClient) {
  const search = async <T>(query: OfferQuery, read: (body: unknown) => T): Promise<T> => {
    const { filters, order, limit, type, allocatedStorageGb } = query;
    return client.request({
      method: 'POST',
      route: '/api/v0/bundles/',
      body: {
        ...filters,
        ...(order.length === 0 ? {} : { order }),
        limit,
        type,
        allocated_storage: allocatedStorageGb,
      },
      read,
    });
  };
  return {
    async search(query: OfferQuery): Promise<Offer[]> {
      return (await search(query, readOffers)).offers;
    },

    /** One search instead of one a filter: `filters` by name are tried on each row here, every column of it included. */
    async judge(query: OfferQuery, filters: Readonly<Record<string, Filters>>): Promise<JudgedOffer[]> {
      const { offers, rows } = await search(query, (body) => ({ ...readOffers(body), rows: rawRows(body) }));
      return offers.map((offer, index) => ({
        offer,
        failed: Object.keys(filters).filter((name) => !fitsFilters(rows[index] ?? {}, filters[name] ?? {})),
      }));
    },
  };
}

/** The same rows that `readOffers` has found well-formed, in the same order. */
function rawRows(body: unknown): OfferRow[] {
  const { offers } = body as { offers: OfferRow | OfferRow[] };
  return Array.isArray(offers) ? offers : [offers as OfferRow];
}
