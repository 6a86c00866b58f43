import type { World } from '../world.js';
import { ok, type Route, refuse } from './answers.js';
import { bill, billVolumes, spent } from './billing.js';
import type { Contracts } from './contracts.js';
import { FAULT_NAMES, type Fault, type FaultList } from './faults.js';
import type { Market } from './market.js';
import { marketRoutes } from './routes-market.js';

/** As far ahead as a machine is offered at most. */
const MAX_ADVANCE_S = 400 * 86_400;

export interface SandboxControls {
  world: World;
  contracts: Contracts;
  faults: FaultList;
  market: Market;
  advance: (ms: number) => Promise<void>;
}

/** What the real API does not have: the ledger that tests compare with, the clock, prices, and the switches of the faults. */
export function sandboxRoutes({ world, contracts, faults, market, advance }: SandboxControls): Route[] {
  const path = '/sandbox/faults/';
  return [
    ...marketRoutes(market),
    {
      method: 'GET',
      path: '/sandbox/ledger/',
      scope: null,
      handle: () => {
        const now = world.now();
        billVolumes(world, now);
        for (const contract of world.living()) bill(world, contract, now);
        return ok({
          credit_usd: world.state.user.creditUsd,
          contracts: world.state.contracts.map((contract) => ({
            id: contract.id,
            label: contract.label,
            offer_id: contract.offerId,
            created_at: new Date(contract.createdMs).toISOString(),
            destroyed_at: contract.destroyedMs === null ? null : new Date(contract.destroyedMs).toISOString(),
            phase: contract.phase,
            spent_usd: spent(world, contract),
          })),
        });
      },
    },
    {
      method: 'GET',
      path: '/sandbox/clock/',
      scope: null,
      handle: () => ok({ now: new Date(world.now()).toISOString(), time_scale: world.timeScale }),
    },
    {
      method: 'PUT',
      path: '/sandbox/clock/',
      scope: null,
      handle: async ({ body }) => {
        const seconds = body['advance_s'];
        if (typeof seconds !== 'number' || !(seconds > 0 && seconds <= MAX_ADVANCE_S))
          return refuse(400, 'invalid_args', `'advance_s' is a number of seconds up to ${MAX_ADVANCE_S}`);
        await advance(seconds * 1000);
        return ok({ success: true, now: new Date(world.now()).toISOString() });
      },
    },
    {
      method: 'PUT',
      path: '/sandbox/cut-ssh/{id}/',
      scope: null,
      handle: ({ params }) => {
        const contract = world.find(Number(params['id']));
        if (contract === undefined) return refuse(404, 'invalid_id', 'Invalid instance id');
        contracts.machine(contract).cutConnections?.();
        return ok({ success: true });
      },
    },
    { method: 'GET', path, scope: null, handle: () => ok({ faults: faults.all }) },
    {
      method: 'PUT',
      path,
      scope: null,
      handle: ({ body }) => {
        if (!FAULT_NAMES.includes(body['name'] as never))
          return refuse(400, 'invalid_args', `Faults: ${FAULT_NAMES.join(', ')}`);
        faults.add(body as unknown as Fault);
        return ok({ success: true });
      },
    },
    {
      method: 'DELETE',
      path,
      scope: null,
      handle: () => {
        faults.clear();
        return ok({ success: true });
      },
    },
  ];
}
