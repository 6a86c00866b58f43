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
    ...copyRoutes(world),
    ...jobRoutes(world),
  ];
}

/** Accepted at once; progress shows only in status_msg (vast-api 9.1). The transfer itself needs two machines' data and is not pretended. */
function copyRoutes(world: World): Route[] {
  const path = '/api/v0/commands/copy_direct/';
  return [
    {
      method: 'PUT',
      path,
      scope: 'instance_write',
      threshold: 3.5,
      handle: ({ body }) => {
        const ids = [body['src_id'], body['dst_id']].map((id) => Number(String(id ?? '').replace(/^C\./u, '')));
        if (ids.some((id) => world.find(id) === undefined)) return refuse(400, 'invalid_args', 'Invalid src_path.');
        return refuse(400, 'invalid_args', 'The sandbox does not copy between machines in this version.');
      },
    },
    {
      method: 'DELETE',
      path,
      scope: 'instance_write',
      threshold: 3.5,
      handle: () => ok({ success: true, msg: 'Copies into the destination are cancelled.' }),
    },
    {
      method: 'GET',
      path: '/api/v0/volumes/',
      scope: 'instance_read',
      threshold: 5.5,
      handle: () => ok({ success: true, volumes: [] }),
    },
  ];
}

const HOUR_MS = 3_600_000;
const EVERY_MS: Record<string, number> = { HOURLY: HOUR_MS, DAILY: 24 * HOUR_MS, WEEKLY: 168 * HOUR_MS };

function jobRoutes(world: World): Route[] {
  const path = '/api/v0/commands/schedule_job/';
  return [
    {
      method: 'GET',
      path,
      scope: 'instance_read',
      handle: () =>
        ok(
          world.state.jobs.map((job) => ({
            id: job.id,
            instance_id: job.instanceId,
            start_time: job.atMs / 1000,
            end_time: job.endMs === null ? null : job.endMs / 1000,
            api_endpoint: job.path,
            request_method: job.method,
            request_body: job.body,
          })),
        ),
    },
    {
      method: 'POST',
      path,
      scope: 'instance_write',
      handle: ({ body }) => {
        const instanceId = Number(body['instance_id']);
        const taken = world.state.jobs.find(
          (job) => job.instanceId === instanceId && job.path === body['api_endpoint'],
        );
        if (taken !== undefined)
          return {
            status: 422,
            body: { success: false, error: 'exists', msg: 'A schedule exists', scheduled_job_id: taken.id },
          };
        if (world.find(instanceId) === undefined) return refuse(404, 'no_such_instance', 'Instance not found.');
        const job = {
          id: world.newId(),
          instanceId,
          atMs: Number(body['start_time']) * 1000,
          everyMs: EVERY_MS[String(body['frequency'])] ?? null,
          endMs: body['end_time'] === undefined || body['end_time'] === null ? null : Number(body['end_time']) * 1000,
          method: String(body['request_method']),
          path: String(body['api_endpoint']),
          body: (body['request_body'] ?? {}) as Record<string, unknown>,
        };
        world.state.jobs.push(job);
        world.save();
        return ok({ success: true, id: job.id });
      },
    },
    {
      method: 'DELETE',
      path: '/api/v0/commands/schedule_job/{id}/',
      scope: 'instance_write',
      handle: ({ params }) => {
        world.state.jobs = world.state.jobs.filter(({ id }) => String(id) !== params['id']);
        world.save();
        return ok({ success: true });
      },
    },
  ];
}

/** What is due is done, as if its call had been sent: the guards of a launch must really fire. */
export function runDueJobs(world: World, contracts: Contracts): void {
  const now = world.now();
  for (const job of [...world.state.jobs]) {
    if (now < job.atMs) continue;
    const contract = world.find(job.instanceId);
    if (contract !== undefined && job.path === `/api/v0/instances/${job.instanceId}/`) {
      if (job.method === 'DELETE') contracts.destroy(contract);
      else if (job.body['state'] === 'stopped') contracts.stop(contract);
      else if (job.body['state'] === 'running') contracts.start(contract);
    }
    const next = job.everyMs === null ? null : job.atMs + job.everyMs;
    if (next === null || (job.endMs !== null && next > job.endMs) || contract === undefined)
      world.state.jobs = world.state.jobs.filter(({ id }) => id !== job.id);
    else job.atMs = next;
  }
}
