import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Contract, World } from '../world.js';
import { type Answer, ok, type Route, refuse } from './answers.js';
import type { Contracts } from './contracts.js';
import { publicFile } from './internet.js';

/** The store has the file this much later, in sandbox time: until then it answers 404 (vast-api 6.1). */
const RESULT_DELAY_MS = 1_500;

interface Deps {
  world: World;
  contracts: Contracts;
  stateDir: string;
  url: () => string;
}

/** Logs and the small execute call answer with an address of an object store, which asks for no key. */
export function machineRoutes(deps: Deps): Route[] {
  const { world, contracts } = deps;
  const results = new Map<string, { text: string; readyMs: number }>();
  const store = (text: string): string => {
    const name = randomBytes(16).toString('hex');
    results.set(name, { text, readyMs: world.now() + RESULT_DELAY_MS });
    return `${deps.url()}/results/${name}/`;
  };
  const on = (
    params: Record<string, string>,
    handle: (contract: Contract) => Promise<Answer>,
  ): Answer | Promise<Answer> => {
    const contract = world.find(Number(params['id']));
    return contract === undefined ? refuse(404, 'invalid_id', 'Invalid instance id') : handle(contract);
  };
  return [
    {
      method: 'PUT',
      path: '/api/v0/instances/request_logs/{id}/',
      scope: 'instance_read',
      handle: ({ params, body }) =>
        on(params, async (contract) => {
          const full =
            body['daemon_logs'] === 'true'
              ? `daemon: container ${contract.id} is ${contract.phase}\n${contract.statusMsg ?? ''}\n`
              : await contracts
                  .machine(contract)
                  .consoleLog()
                  .catch(() => '');
          const wanted = String(body['filter'] ?? '');
          const lines = full.split('\n').filter((line) => wanted === '' || line.includes(wanted));
          const tail = Number(body['tail'] ?? 1000);
          return ok({ success: true, result_url: store(lines.slice(-tail - 1).join('\n')), msg: 'Logs requested' });
        }),
    },
    {
      method: 'PUT',
      path: '/api/v0/instances/command/{id}/',
      scope: 'instance_write',
      threshold: 1.5,
      handle: ({ params, body }) =>
        on(params, async (contract) => {
          const command = String(body['command'] ?? '');
          const prefix = `/var/lib/docker/containers/C.${contract.id}`;
          const output = command.length > 512 ? null : await contracts.machine(contract).execute(command, prefix);
          if (output === null) return refuse(400, 'invalid_args', 'Invalid command given.');
          return ok({ success: true, writeable_path: prefix, result_url: store(output), msg: 'Command sent' });
        }),
    },
    {
      method: 'GET',
      path: '/results/{name}/',
      scope: 'open',
      handle: ({ params }) => {
        const result = results.get(params['name'] ?? '');
        const ready = result !== undefined && world.now() >= result.readyMs;
        return ready ? { status: 200, body: result.text, text: true } : { status: 404, body: 'NoSuchKey', text: true };
      },
    },
    {
      method: 'GET',
      path: '/internet/{url}/',
      scope: 'open',
      handle: async ({ params }) => {
        const url = params['url'] ?? '';
        const text =
          publicFile(url) ??
          (await readFile(join(deps.stateDir, 'internet', basename(new URL(url).pathname)), 'utf8').catch(() => null));
        return text === null ? { status: 404, body: 'Not Found', text: true } : { status: 200, body: text, text: true };
      },
    },
  ];
}
