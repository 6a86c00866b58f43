import type { AskChange, Contract, World } from '../world.js';
import { BadRequest, type Filter, matches, sortRows } from './filter.js';
import { type Ask, MACHINES, makeCatalog } from './offer-catalog.js';
import { rareMachines } from './rare-machines.js';

const HOURS_PER_MONTH = 730;
const NOT_FILTERS = new Set(['order', 'limit', 'type', 'allocated_storage', 'disable_bundling', 'resource_type']);
const TYPES = new Set(['on-demand', 'ondemand', 'bid', 'interruptible', 'reserved']);

/** What can be rented now: the catalog without the cards that are taken. */
export class Market {
  private readonly catalog: Ask[];
  private readonly world: World;

  constructor(world: World) {
    this.world = world;
    this.catalog = [...makeCatalog(world.state.seed), ...rareMachines(MACHINES)];
  }

  /** Undefined when it does not exist or a card of it is taken. */
  available(offerId: number): Ask | undefined {
    const ask = this.ask(offerId);
    return ask !== undefined && this.isFree(ask) ? ask : undefined;
  }

  ask(offerId: number): Ask | undefined {
    const ask = this.catalog.find((candidate) => candidate.row.id === offerId);
    return ask === undefined ? undefined : this.asNow(ask);
  }

  /** What the host asks now; null puts it back to the catalog. False when there is no such offer. */
  change(offerId: number, change: AskChange | null): boolean {
    if (this.ask(offerId) === undefined) return false;
    const { asks } = this.world.state;
    if (change === null) delete asks[offerId];
    else asks[offerId] = { ...asks[offerId], ...change };
    this.world.save();
    return true;
  }

  resetChanges(): void {
    this.world.state.asks = {};
    this.world.save();
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
      .map((ask) => this.asNow(ask))
      .filter((ask) => (query['machine_id'] !== undefined || this.isFree(ask)) && !isHiddenByCudaAlone(ask, filter))
      .map((ask) => (this.isFree(ask) ? ask : this.rented(ask)))
      .map(({ row }) => ({ row, prices: pricesOf(row, storage, type === 'bid' || type === 'interruptible') }))
      .filter(({ row, prices }) => matches(row, filter, fieldOf(row, prices)))
      .map(({ row, prices }) => ({ ...row, ...prices }));
    return sortRows(rows, query['order'] ?? [['score', 'desc']]).slice(0, limit);
  }

  /** What the contract's machine can be had for, by whoever bids. */
  leastBid(contract: Contract): number {
    return Math.max(this.ask(contract.offerId)?.row.min_bid ?? 0, contract.rivalUsd ?? 0);
  }

  private asNow(ask: Ask): Ask {
    const change = this.world.state.asks[ask.row.id];
    if (change?.dph_base === undefined) return ask;
    const bid = (ask.row.min_bid / ask.row.dph_base) * change.dph_base;
    return { ...ask, row: { ...ask.row, dph_base: change.dph_base, min_bid: bid } };
  }

  private isFree(ask: Ask): boolean {
    if (this.world.state.asks[ask.row.id]?.listed === false) return false;
    return this.holderOf(ask) === undefined;
  }

  /** A search that names a machine sees what is rented on it, too. */
  private rented(ask: Ask): Ask {
    const holder = this.holderOf(ask);
    const least = holder === undefined ? ask.row.min_bid : this.leastBid(holder);
    return { ...ask, row: { ...ask.row, rentable: false, rented: true, min_bid: least } };
  }

  private holderOf(ask: Ask): Contract | undefined {
    return this.world.living().find((contract) => {
      if (contract.machineId !== ask.row.machine_id) return false;
      const taken = this.ask(contract.offerId);
      return taken !== undefined && taken.gpuFrom < ask.gpuTo && ask.gpuFrom < taken.gpuTo;
    });
  }
}

/** The real API leaves H100s and H200s out when cuda_max_good is filtered without compute_cap (gpuhunt#142). */
function isHiddenByCudaAlone({ row }: Ask, filter: Filter): boolean {
  const capability = Number(row['compute_cap']);
  return filter['cuda_max_good'] !== undefined && filter['compute_cap'] === undefined && isHopper(capability);
}

function isHopper(capability: number): boolean {
  return capability >= 900 && capability < 1000;
}

/** A geolocation filter names country codes, the row holds "City, CC". Whole rows are made only of what is found. */
function fieldOf(row: Ask['row'], prices: Record<string, unknown>): (field: string) => unknown {
  return (field) => {
    if (field === 'geolocation') return row['country_code'];
    return Object.hasOwn(prices, field) ? prices[field] : row[field];
  };
}

function pricesOf(row: Ask['row'], storageGb: number, bid: boolean): Record<string, unknown> {
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
