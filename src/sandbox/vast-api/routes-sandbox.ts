import type { World } from '../world.js';
import { ok, type Route, refuse } from './answers.js';
import { bill, spent } from './billing.js';
import { FAULT_NAMES, type Fault, type FaultList } from './faults.js';

/** What the real API does not have: the ledger that tests compare with, and the switches of the faults. */
export function sandboxRoutes(world: World, faults: FaultList): Route[] {
  const path = '/sandbox/faults/';
  return [
    {
      method: 'GET',
      path: '/sandbox/ledger/',
      scope: null,
      handle: () => {
        const now = world.now();
        for (const contract of world.living()) bill(world, contract, now);
        return ok({
          contracts: world.state.contracts.map((contract) => ({
            id: contract.id,
            label: contract.label,
            offer_id: contract.offerId,
            created_at: new Date(contract.createdMs).toISOString(),
            destroyed_at: contract.destroyedMs === null ? null : new Date(contract.destroyedMs).toISOString(),
            phase: contract.phase,
            spent_usd: spent(contract),
          })),
        });
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
