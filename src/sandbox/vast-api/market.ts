import type { World } from '../world.js';
import { BadRequest, type Filter, matches, sortRows } from './filter.js';
import { type Ask, makeCatalog } from './offer-catalog.js';

const HOURS_PER_MONTH = 730;
const NOT_FILTERS = new Set(['order', 'limit', 'type', 'allocated_storage', 'disable_bundling', 'resource_type']);
const TYPES = new Set(['on-demand', 'ondemand', 'bid', 'interruptible', 'reserved']);

/** What can be rented now: the catalog without the cards that are taken. */
export class Market {
  private readonly catalog: Ask[];
  private readonly world: World;

  constructor(world: World) {
    this.world = world;
    this.catalog = makeCatalog(world.state.seed);
  }

  /** Undefined when it does not exist or a card of it is taken. */
  available(offerId: number): Ask | undefined {
    const ask = this.ask(offerId);
    return ask !== undefined && this.isFree(ask) ? ask : undefined;
  }

  ask(offerId: number): Ask | undefined {
    return this.catalog.find((candidate) => candidate.row.id === offerId);
  }

  /** The body of a search is the query itself. Throws BadRequest. */
  search(query: Record<string, unknown>): Record<string, unknown>[] {
    const type = query['type'] ?? 'on-demand';
    if (!TYPES.has(String(type))) throw new BadRequest(`Invalid type '${String(type)}'`);
    const limit = query['limit'] ?? 64;
    if (typeof limit !== 'number' || limit < 0) throw new BadRequest('Invalid limit');
    const storage = query['allocated_storage'] ?? 5;
    if (typeof storage !== 'number' || storage < 0) throw new BadRequest('Invalid allocated_storage');
    const filter = Object.fromEntries(Object.entries(query).filter(([field]) => !NOT_FILTERS.has(field))) as Filter;
    const rows = this.catalog
      .filter((ask) => this.isFree(ask))
      .map((ask) => priced(ask, storage, type === 'bid' || type === 'interruptible'))
      .filter((row) => matches(row, filter, fieldOf(row)));
    return sortRows(rows, query['order'] ?? [['score', 'desc']]).slice(0, limit);
  }

  private isFree(ask: Ask): boolean {
    return !this.world.living().some((contract) => {
      if (contract.machineId !== ask.row.machine_id) return false;
      const taken = this.ask(contract.offerId);
      return taken !== undefined && taken.gpuFrom < ask.gpuTo && ask.gpuFrom < taken.gpuTo;
    });
  }
}

/** A geolocation filter names country codes, the row holds "City, CC". */
function fieldOf(row: Record<string, unknown>): (field: string) => unknown {
  return (field) => (field === 'geolocation' ? row['country_code'] : row[field]);
}

function priced({ row }: Ask, storageGb: number, bid: boolean): Record<string, unknown> {
  const gpu = bid ? row.min_bid : row.dph_base;
  const disk = (row.storage_cost * storageGb) / HOURS_PER_MONTH;
  const total = gpu + disk;
  const search = {
    gpuCostPerHour: gpu,
    diskHour: disk,
    totalHour: total,
    discountTotalHour: 0,
    discountedTotalPerHour: total,
  };
  return {
    ...row,
    is_bid: bid,
    dph_base: gpu,
    dph_total: total,
    dph_total_adj: total,
    dlperf_per_dphtotal: Number(row['dlperf']) / total,
    flops_per_dphtotal: Number(row['total_flops']) / total,
    storage_total_cost: disk,
    end_date: null,
    start_date: null,
    search,
    instance: search,
  };
}
