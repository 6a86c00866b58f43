import { randomBytes } from 'node:crypto';
import type { World } from '../world.js';
import { type Answer, jsonQuery, ok, type Route, refuse } from './answers.js';
import { type Filter, matches, sortRows } from './filter.js';
import { withHash } from './templates.js';

const CATEGORIES = [
  'misc',
  'user_read',
  'user_write',
  'instance_read',
  'instance_write',
  'billing_read',
  'billing_write',
];
/** The account's own key. */
const MAIN_KEY_ID = 1;

export function accountRoutes(world: World): Route[] {
  return [
    ...userRoutes(world),
    ...sshKeyRoutes(world),
    ...templateRoutes(world),
    ...secretRoutes(world),
    ...apiKeyRoutes(world),
  ];
}

function userRoutes({ state }: World): Route[] {
  return [
    {
      method: 'GET',
      path: '/api/v0/users/current/',
      scope: null,
      handle: () =>
        ok({
          id: state.user.id,
          key_id: MAIN_KEY_ID,
          username: 'sandbox',
          email: state.user.email,
          email_verified: true,
          fullname: 'Sandbox User',
          credit: state.user.creditUsd,
          balance: 0,
          balance_threshold: 0,
          balance_threshold_enabled: false,
          can_pay: true,
          has_billing: true,
          ssh_key: state.sshKeys[0]?.publicKey ?? null,
          sid: 'sandbox',
          api_key: state.apiKey,
          tfa_status: 'disabled',
        }),
    },
    {
      method: 'GET',
      path: '/api/v0/users/cloud_integrations/',
      scope: 'user_read',
      threshold: 2.9,
      handle: () => ok([]),
    },
  ];
}

function sshKeyRoutes(world: World): Route[] {
  const { state } = world;
  const row = (key: (typeof state.sshKeys)[number]) => ({
    id: key.id,
    user_id: state.user.id,
    key: key.publicKey,
    public_key: key.publicKey,
    created_at: new Date(key.createdMs).toISOString(),
    deleted_at: null,
  });
  const valid = (value: unknown): value is string =>
    typeof value === 'string' && /^(ssh|ecdsa|sk-)\S* \S+/u.test(value.trim());
  const path = '/api/v0/ssh/{id}/';
  return [
    { method: 'GET', path: '/api/v0/ssh/', scope: 'user_read', handle: () => ok(state.sshKeys.map(row)) },
    {
      method: 'POST',
      path: '/api/v0/ssh/',
      scope: 'user_write',
      threshold: 1,
      handle: ({ body }) => {
        const key = body['ssh_key'];
        if (!valid(key)) return refuse(400, 'invalid_args', 'Invalid ssh key');
        const known = state.sshKeys.find(({ publicKey }) => publicKey === key.trim());
        const kept = known ?? { id: world.newId(), publicKey: key.trim(), createdMs: world.now() };
        if (known === undefined) state.sshKeys.push(kept);
        world.save();
        return ok({ success: true, key: row(kept) });
      },
    },
    {
      method: 'PUT',
      path,
      scope: 'user_write',
      threshold: 1,
      handle: ({ params, body }) => {
        const key = state.sshKeys.find(({ id }) => String(id) === params['id']);
        if (key === undefined) return refuse(404, 'no_such_ssh_key', 'SSH key not found.');
        if (!valid(body['ssh_key'])) return refuse(400, 'invalid_args', 'Invalid ssh key');
        key.publicKey = body['ssh_key'].trim();
        world.save();
        return ok({ success: true, key: row(key) });
      },
    },
    {
      method: 'DELETE',
      path,
      scope: 'user_write',
      handle: ({ params }) => {
        const at = state.sshKeys.findIndex(({ id }) => String(id) === params['id']);
        if (at === -1) return refuse(404, 'no_such_ssh_key', 'SSH key not found.');
        state.sshKeys.splice(at, 1);
        world.save();
        return ok({ success: true });
      },
    },
  ];
}

function templateRoutes(world: World): Route[] {
  const { state } = world;
  const path = '/api/v0/template/';
  const store = (template: Record<string, unknown>): Answer => {
    const made = withHash(template);
    const same = state.templates.findIndex((known) => known['id'] === made['id']);
    if (same === -1) state.templates.push(made);
    else state.templates[same] = made;
    world.save();
    return ok({ success: true, msg: 'Template saved', template: made });
  };
  return [
    {
      method: 'GET',
      path,
      scope: 'user_read',
      threshold: 3,
      handle: ({ query }) => {
        const filter = (jsonQuery(query, 'select_filters') ?? {}) as Filter;
        const found = state.templates.filter((template) => matches(template, filter));
        const order = jsonQuery(query, 'order_by');
        const templates = order === undefined ? found : sortRows(found, order);
        return ok({ success: true, templates_found: templates.length, templates });
      },
    },
    {
      method: 'POST',
      path,
      scope: 'user_write',
      handle: ({ body }) => {
        if (typeof body['image'] !== 'string' || typeof body['name'] !== 'string')
          return refuse(400, 'invalid_args', "'name' and 'image' are required");
        const draft = withHash({ ...body, creator_id: state.user.id, recommended: false });
        const known = state.templates.find((template) => template['hash_id'] === draft['hash_id']);
        return known === undefined
          ? store({ ...draft, id: world.newId() })
          : ok({ success: true, msg: 'Template exists', template: known });
      },
    },
    {
      method: 'PUT',
      path,
      scope: 'user_write',
      handle: ({ body }) => {
        const known = state.templates.find(
          (template) => template['hash_id'] === body['hash_id'] && template['creator_id'] === state.user.id,
        );
        return known === undefined ? refuse(404, 'invalid_args', 'Template not found') : store({ ...known, ...body });
      },
    },
    {
      method: 'DELETE',
      path,
      scope: 'user_write',
      handle: ({ body }) => {
        const at = state.templates.findIndex(
          (template) =>
            template['creator_id'] === state.user.id &&
            (template['id'] === body['template_id'] || template['hash_id'] === body['hash_id']),
        );
        if (at === -1) return refuse(404, 'invalid_args', 'Template not found');
        state.templates.splice(at, 1);
        world.save();
        return ok({ success: true, msg: 'Template deleted' });
      },
    },
  ];
}

/** There is a limit (published spec); how many is not. */
const MOST_SECRETS = 100;

function secretRoutes(world: World): Route[] {
  const { secrets } = world.state;
  const path = '/api/v0/secrets/';
  const write: Route['handle'] = ({ method, body }) => {
    const key = String(body['key'] ?? '').toUpperCase();
    const value = String(body['value'] ?? '');
    if (key === '' || (method !== 'DELETE' && value === ''))
      return refuse(400, 'missing_input', "Both 'key' and 'value' are required.");
    if (method !== 'DELETE' && !/^[a-zA-Z0-9_\-.]+$/u.test(value))
      return refuse(400, 'invalid_args', `The value '${value}' does not match ^[a-zA-Z0-9_\\-\\.]+$`);
    if (method === 'POST' && Object.hasOwn(secrets, key))
      return refuse(400, 'existing_key', 'An environment variable with this key exists');
    if (method === 'POST' && Object.keys(secrets).length >= MOST_SECRETS)
      return refuse(400, 'max_secrets', 'Too many environment variables');
    if (method !== 'POST' && !Object.hasOwn(secrets, key))
      return refuse(400, 'nonexistent_key', 'There is no environment variable with this key');
    if (method === 'DELETE') delete secrets[key];
    else secrets[key] = value;
    world.save();
    return ok({ success: true });
  };
  return [
    {
      method: 'GET',
      path,
      scope: 'user_read',
      threshold: 5,
      handle: () =>
        ok({ success: true, secrets: Object.fromEntries(Object.keys(secrets).map((key) => [key, '*****'])) }),
    },
    ...(['POST', 'PUT', 'DELETE'] as const).map(
      (method): Route => ({ method, path, scope: 'user_write', threshold: 3, handle: write }),
    ),
  ];
}

function apiKeyRoutes(world: World): Route[] {
  const { state } = world;
  return [
    {
      method: 'GET',
      path: '/api/v0/auth/apikeys/',
      scope: 'user_read',
      threshold: 1,
      handle: () => {
        const all = { api: Object.fromEntries(CATEGORIES.map((category) => [category, {}])) };
        return ok({
          apikeys: [
            { id: MAIN_KEY_ID, name: 'main', permissions: all },
            ...state.apiKeys.map(({ key: _key, ...rest }) => rest),
          ],
        });
      },
    },
    {
      method: 'POST',
      path: '/api/v0/auth/apikeys/',
      scope: 'user_write',
      threshold: 2,
      handle: ({ body }) => {
        const permissions = body['permissions'] as { api?: Record<string, unknown> } | undefined;
        if (permissions?.api === undefined) return refuse(400, 'invalid_args', "'permissions' is required");
        const made = {
          id: world.newId(),
          name: String(body['name'] ?? ''),
          key: randomBytes(32).toString('hex'),
          permissions: { api: permissions.api },
        };
        state.apiKeys.push(made);
        world.save();
        return ok({ success: true, ...made });
      },
    },
    {
      method: 'DELETE',
      path: '/api/v0/auth/apikeys/{id}/',
      scope: 'user_write',
      threshold: 2,
      handle: ({ params }) => {
        state.apiKeys = state.apiKeys.filter(({ id }) => String(id) !== params['id']);
        world.save();
        return { status: 200, body: 'API key deleted' };
      },
    },
  ];
}
