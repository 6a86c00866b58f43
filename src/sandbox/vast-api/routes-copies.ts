import type { Contract, World } from '../world.js';
import { type Answer, ok, type Route, refuse } from './answers.js';
import type { Copies } from './copies.js';
import type { FaultList } from './faults.js';

interface Deps {
  world: World;
  copies: Copies;
  faults: FaultList;
}

const PATH = '/api/v0/commands/copy_direct/';
const THRESHOLD_S = 3.5;

/** Accepted at once; all that is heard afterwards is text in `status_msg` (published spec: copy, cancel copy). */
export function copyRoutes(deps: Deps): Route[] {
  const { world, copies } = deps;
  return [
    {
      method: 'PUT',
      path: PATH,
      scope: 'instance_write',
      threshold: THRESHOLD_S,
      handle: ({ body }) => start(deps, body),
    },
    {
      method: 'DELETE',
      path: PATH,
      scope: 'instance_write',
      threshold: THRESHOLD_S,
      handle: ({ body }) => {
        const { dst_id: id } = body;
        // The official client sends the bare number, as text.
        if (typeof id !== 'string' || !/^\d+$/u.test(id)) return refuse(400, 'invalid_args', 'Invalid dst_id.');
        const destination = world.find(Number(id));
        if (destination === undefined) return refuse(404, 'no_such_user', 'No such user.');
        copies.cancel(destination);
        return ok({ success: true });
      },
    },
  ];
}

function start({ world, copies, faults }: Deps, body: Record<string, unknown>): Answer {
  const { src_path: source, dst_path: destination } = body;
  // The whole disk is for virtual machines only.
  if (!isPath(source) || /^\/+$/u.test(source)) return refuse(400, 'invalid_args', 'Invalid src_path.');
  if (!isPath(destination)) return refuse(400, 'invalid_args', 'Invalid dst_path.');
  const [from, to] = [instanceOf(world, body['src_id']), instanceOf(world, body['dst_id'])];
  if (from === 'other' || to === 'other')
    return refuse(400, 'invalid_args', 'The sandbox copies between instances only.');
  if (from === undefined || to === undefined) return refuse(404, 'no_such_user', 'No such user.');
  const fault = faults.applies('copy-refused', to);
  // Refusals come with 200, too (vast-api 1.2).
  if (fault !== null) return refuse(200, 'invalid_args', fault.message ?? 'The copy could not be started.');
  copies.start(from, to, { source, destination });
  return ok({
    success: true,
    msg: 'Remote to Remote copy initiated - check instance status bar for progress updates (~30 seconds delayed).',
  });
}

function isPath(value: unknown): value is string {
  return typeof value === 'string' && value.startsWith('/') && !value.includes('\0');
}

/** "C.123", "123" and 123; volumes, clouds and this computer are other things. */
function instanceOf(world: World, id: unknown): Contract | undefined | 'other' {
  const digits = /^(?:C\.)?(\d+)$/u.exec(String(id ?? ''))?.[1];
  return digits === undefined ? 'other' : world.find(Number(digits));
}
