import type { World } from '../world.js';
import { ok, type Route, refuse } from './answers.js';
import type { Contracts } from './contracts.js';
import type { Market } from './market.js';

interface Deps {
  world: World;
  market: Market;
  contracts: Contracts;
}

const LEAST_BID_USD = 0.001;
/** For each GPU (the official client's help). */
const HIGHEST_BID_USD = 32;

/** Bids on interruptible machines, and the hook by which a test bids against them. */
export function bidRoutes({ world, market, contracts }: Deps): Route[] {
  return [
    {
      method: 'PUT',
      path: '/api/v0/instances/bid_price/{id}/',
      scope: 'instance_write',
      threshold: 5.5,
      handle: ({ params, body }) => {
        const contract = world.find(Number(params['id']));
        if (contract === undefined) return refuse(404, 'no_such_instance', 'Instance with that ID does not exist.');
        if (!contract.isBid) return refuse(400, 'invalid_args', 'Instance is not interruptible');
        // No price means what wins now.
        const price = body['price'] ?? market.leastBid(contract);
        if (typeof price !== 'number' || !(price >= LEAST_BID_USD))
          return refuse(400, 'invalid_args', `Please set a bid price >= ${LEAST_BID_USD}.`);
        const gpus = market.ask(contract.offerId)?.row.num_gpus ?? 1;
        if (price > HIGHEST_BID_USD * gpus)
          return refuse(400, 'invalid_args', `Please set a bid price <= ${HIGHEST_BID_USD * gpus}.`);
        contracts.setBids(contract, { own: price });
        return ok({ success: true });
      },
    },
    {
      method: 'PUT',
      path: '/sandbox/outbid/',
      scope: null,
      handle: ({ body }) => {
        const contract = world.find(Number(body['instance_id']));
        const { price } = body;
        if (contract === undefined || !contract.isBid)
          return refuse(404, 'no_such_instance', 'There is no interruptible instance with that id.');
        if (price !== null && typeof price !== 'number')
          return refuse(400, 'invalid_args', "'price' is the other bid in $/hour, or null for none");
        contracts.setBids(contract, { rival: price });
        return ok({ success: true });
      },
    },
  ];
}
