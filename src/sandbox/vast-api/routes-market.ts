import type { AskChange } from '../world.js';
import { type Answer, ok, type Route, refuse } from './answers.js';
import type { Market } from './market.js';

/** What the real API does not have: hosts that change their price, or leave the market and come back, when a test says so. */
export function marketRoutes(market: Market): Route[] {
  const path = '/sandbox/offers/{id}/';
  return [
    {
      method: 'PUT',
      path,
      scope: null,
      handle: ({ params, body }) => {
        const change = readChange(body);
        return change === null
          ? refuse(400, 'invalid_args', 'dph_base is a price above zero, listed is true or false')
          : answer(market.change(Number(params['id']), change));
      },
    },
    { method: 'DELETE', path, scope: null, handle: ({ params }) => answer(market.change(Number(params['id']), null)) },
    {
      method: 'DELETE',
      path: '/sandbox/offers/',
      scope: null,
      handle: () => {
        market.resetChanges();
        return ok({ success: true });
      },
    },
  ];
}

function readChange({ dph_base: price, listed }: Record<string, unknown>): AskChange | null {
  if (price !== undefined && (typeof price !== 'number' || price <= 0)) return null;
  if (listed !== undefined && typeof listed !== 'boolean') return null;
  return { ...(price === undefined ? {} : { dph_base: price }), ...(listed === undefined ? {} : { listed }) };
}

function answer(found: boolean): Answer {
  return found ? ok({ success: true }) : refuse(404, 'not_found', 'There is no such offer');
}
