import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Sandbox, startSandbox } from '../../src/sandbox/sandbox.ts';
import { newKey } from '../ssh/support/loopback-sshd.ts';
import { Home } from '../support/forgectl.ts';
import { isAll, isMost } from './chosen.ts';
import { openInertMachine } from './inert-machine.ts';

/** `npm run test:faults` runs them all; `npm test` a sample in which each kind of answer occurs. */
const EVERY = isAll ? 1 : isMost ? 3 : 17;

const ANSWERS = [
  { name: 'http-status', status: 429, count: 1 },
  { name: 'http-status', status: 500 },
  { name: 'http-status', status: 403 },
  { name: 'garbage' },
  { name: 'success-false' },
  { name: 'hang', count: 1 },
  { name: 'close-before' },
  { name: 'close-after', count: 1 },
];

const ACCOUNT = '/api/v0/ssh/';
const INSTANCE = '/api/v0/instances/{id}/ssh/';
const LIST = 'GET /api/v1/instances/';
const STRANGER = newKey().public;

interface Command {
  words: (id: number) => string[];
  input?: string;
  routes: string[];
  /** What must be true when the command says that it is done. */
  isDone: (state: State, id: number) => boolean;
}

interface State {
  account: string[];
  attached: string[];
  bid: number | null;
}

const has = (keys: readonly string[]): boolean => keys.some((key) => key.startsWith(STRANGER.split(' ', 2).join(' ')));

const COMMANDS: Record<string, Command> = {
  'keys ls': {
    words: (id) => ['keys', 'ls', String(id)],
    routes: [`GET ${ACCOUNT}`, `GET ${INSTANCE}`, LIST],
    isDone: () => true,
  },
  'keys add': {
    words: () => ['keys', 'add', '-'],
    input: STRANGER,
    routes: [`GET ${ACCOUNT}`, `POST ${ACCOUNT}`],
    isDone: ({ account }) => has(account),
  },
  'keys attach': {
    words: (id) => ['keys', 'attach', String(id), '--no-verify'],
    routes: [LIST, `GET ${INSTANCE}`, `POST ${INSTANCE}`],
    isDone: ({ attached }) => attached.length === 1,
  },
  'keys repair': {
    words: (id) => ['keys', 'repair', String(id)],
    routes: [LIST, `GET ${ACCOUNT}`, `POST ${ACCOUNT}`, `GET ${INSTANCE}`, `POST ${INSTANCE}`],
    isDone: ({ attached }) => attached.length === 1,
  },
  'keys rm': {
    words: () => ['keys', 'rm', 'doomed', '--yes'],
    routes: [`GET ${ACCOUNT}`, 'DELETE /api/v0/ssh/{id}/'],
    isDone: ({ account }) => account.every((key) => !key.includes('doomed')),
  },
  bid: {
    words: (id) => ['bid', String(id), '0.7', '--yes'],
    routes: [LIST, 'POST /api/v0/bundles/', 'PUT /api/v0/instances/bid_price/{id}/', 'GET /api/v0/instances/{id}/'],
    isDone: ({ bid }) => bid === 0.7,
  },
};

const cases = Object.entries(COMMANDS).flatMap(([name, command]) =>
  command.routes.flatMap((route) =>
    ANSWERS.map((fault) => ({
      title: `${name}: ${route} answers ${JSON.stringify(fault)}`,
      command,
      fault: { ...fault, route },
    })),
  ),
);

describe('whatever a call answers, a command about keys or bids says what is true', () => {
  const home = new Home({ FORGECTL_SANDBOX: '1', FORGECTL_API_TIMEOUT: '1' });
  let sandbox: Sandbox;
  let id = 0;

  const call = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
    const answer = await fetch(`${sandbox.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${sandbox.apiKey}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (answer.status !== 429) return (await answer.json()) as T;
    await new Promise((resolve) => setTimeout(resolve, 30));
    return call(method, path, body);
  };

  beforeAll(async () => {
    const stateDir = join(home.directory, 'sandbox');
    sandbox = await startSandbox({ stateDir, openMachine: openInertMachine, timeScale: 200, seed: 1 });
    const { offers } = await call<{ offers: { id: number }[] }>('POST', '/api/v0/bundles/', { limit: 1 });
    const order = { client_id: 'me', image: 'x', disk: 10, label: 'spot', runtype: 'ssh_direct', price: 0.5 };
    // Nothing listens in an inert machine: one that is stopped is not logged in to.
    const stopped = { state: 'stopped' };
    id = (await call<{ new_contract: number }>('PUT', `/api/v0/asks/${offers[0]?.id}/`, order)).new_contract;
    await call('PUT', `/api/v0/instances/${id}/`, stopped);
  });
  beforeEach(async () => {
    await call('DELETE', '/sandbox/faults/');
    for (const key of await call<{ id: number }[]>('GET', ACCOUNT)) await call('DELETE', `${ACCOUNT}${key.id}/`);
    for (const key of await attached()) await call('DELETE', `/api/v0/instances/${id}/ssh/${key.id}/`);
    await call('POST', ACCOUNT, { ssh_key: `${newKey().public.split(' ', 2).join(' ')} doomed` });
    await call('PUT', `/api/v0/instances/bid_price/${id}/`, { client_id: 'me', price: 0.5 });
  });
  afterAll(async () => {
    await sandbox.close();
    rmSync(home.directory, { recursive: true, force: true });
  });

  const attached = async (): Promise<{ id: number; public_key: string }[]> =>
    JSON.parse((await call<{ ssh_keys: string }>('GET', `/api/v0/instances/${id}/ssh/`)).ssh_keys);

  const stateNow = async (): Promise<State> => ({
    account: (await call<{ key: string }[]>('GET', ACCOUNT)).map(({ key }) => key),
    attached: (await attached()).map((key) => key.public_key),
    bid: (await call<{ instances: { dph_base: number } }>('GET', `/api/v0/instances/${id}/`)).instances.dph_base,
  });

  it.each(cases.filter((_, at) => at % EVERY === 0))('$title', async ({ command, fault }) => {
    await call('PUT', '/sandbox/faults/', fault);
    const done = await home.run(
      [...command.words(id), '--json'],
      command.input === undefined ? {} : { input: command.input },
    );
    await call('DELETE', '/sandbox/faults/');
    const told = `${done.code}\n${done.stdout}${done.stderr}`;
    const document = JSON.parse(done.stdout) as { error?: { code: string; exit: number; hint: unknown } };
    expect([0, 4, 14], told).toContain(done.code);
    expect(done.stderr, told).not.toMatch(/^\s+at .*(file:|node:)/mu);
    if (done.code === 0) expect(command.isDone(await stateNow(), id), told).toBe(true);
    else expect(document.error?.exit, told).toBe(done.code);
  });
});
