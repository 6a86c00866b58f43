import type { World } from '../world.js';
import { ok, type Route, refuse } from './answers.js';
import { billVolumes } from './billing.js';
import type { Market } from './market.js';

const path = '/api/v0/volumes/';

/** Local volumes (vast-api 9.3): on one machine, billed from renting to deleting, never attached in this version. */
export function volumeRoutes(world: World, market: Market): Route[] {
  return [
    {
      method: 'GET',
      path,
      scope: 'instance_read',
      threshold: 5.5,
      handle: () => ok({ success: true, volumes: world.state.volumes.map((volume) => ({ ...volume, instances: [] })) }),
    },
    {
      method: 'PUT',
      path,
      scope: 'instance_write',
      threshold: 5.5,
      handle: ({ body }) => {
        const offer = market.ask(Number(body['id']));
        const size = Number(body['size']);
        if (offer === null || offer === undefined) return refuse(404, 'no_such_ask', 'The offer is not available.');
        if (!Number.isInteger(size) || size < 1) return refuse(400, 'invalid_args', 'Invalid size.');
        const id = world.newId();
        world.state.volumes.push({
          id,
          label: typeof body['name'] === 'string' ? body['name'] : null,
          status: 'created',
          disk_space: size,
          storage_cost: offer.row.storage_cost,
          machine_id: offer.row.machine_id,
          start_date: world.now() / 1000,
        });
        world.save();
        return ok({ success: true, volume_name: `V.${id}` });
      },
    },
    {
      method: 'DELETE',
      path,
      scope: 'instance_write',
      threshold: 5.5,
      handle: ({ body, query }) => {
        const id = Number(body['id'] ?? query.get('id'));
        billVolumes(world, world.now());
        const left = world.state.volumes.filter((volume) => volume.id !== id);
        if (left.length === world.state.volumes.length)
          return refuse(400, 'invalid_args', 'Please provide a valid volume ID.');
        world.state.volumes = left;
        world.save();
        return ok({ success: true });
      },
    },
  ];
}
