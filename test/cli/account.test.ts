import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { Home } from '../support/forgectl.ts';
import { ScriptedServer } from '../support/scripted-server.ts';

const KEY = 'abc123def456';
let server: ScriptedServer | null = null;
const homes: Home[] = [];

async function open(): Promise<{ home: Home; url: string }> {
  server = new ScriptedServer(({ path, headers }) => {
    if (headers.authorization !== `Bearer ${KEY}`)
      return { status: 401, body: { error: 'auth_error', msg: 'Invalid user key' } };
    if (path.includes('users/current'))
      return { body: { id: 9, key_id: 2, email: 'me@example.com', credit: 3.5, api_key: 'must-not-be-shown' } };
    if (path.includes('apikeys'))
      return { body: { apikeys: [{ id: 2, permissions: { api: { misc: {}, user_read: {}, instance_read: {} } } }] } };
    return { body: { success: true, instances: [], total_instances: 0 } };
  });
  const url = await server.listen();
  const home = new Home({ VAST_URL: url });
  homes.push(home);
  return { home, url };
}

afterEach(() => server?.close());
afterAll(() => Promise.all(homes.map((home) => home.remove())));

describe('accounts', () => {
  it('login: checks the key, keeps it for the user alone, and shows it nowhere', async () => {
    const { home } = await open();
    const done = await home.run(['login', '--key-file', '-', '--debug'], { input: `  ${KEY}\n` });
    expect(done.code, done.stderr).toBe(0);
    expect(done.stdout + done.stderr).not.toContain(KEY);
    expect(done.stdout + done.stderr).not.toContain('must-not-be-shown');
    const file = join(home.directory, '.config/forgectl/credentials/vast');
    expect(readFileSync(file, 'utf8').trim()).toBe(KEY);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(statSync(join(file, '..')).mode & 0o777).toBe(0o700);
    const me = await home.json(['whoami']);
    expect(me).toMatchObject({
      email: 'me@example.com',
      credit_usd: 3.5,
      missing_scopes: ['user_write', 'instance_write', 'billing_read'],
    });
    expect(JSON.stringify(me)).not.toContain('must-not-be-shown');
    expect(await home.json(['logout'])).toMatchObject({ removed: file, still_signed_in_by: null });
    expect((await home.run(['whoami'])).code).toBe(4);
  });

  it('login: a key that the API refuses is not kept', async () => {
    const { home } = await open();
    const done = await home.run(['login', '--key-file', '-'], { input: 'wrong' });
    expect(done.code).toBe(4);
    expect(existsSync(join(home.directory, '.config/forgectl/credentials/vast'))).toBe(false);
    expect((await home.run(['login', '--key-file', '-'], { input: 'two words' })).code).toBe(2);
    expect((await home.run(['login'])).stderr).toContain('--key-file');
  });

  it('the key is found in the documented order, and its source is named', async () => {
    const { home } = await open();
    const write = (path: string): void => {
      mkdirSync(join(home.directory, path, '..'), { recursive: true });
      writeFileSync(join(home.directory, path), `${KEY}\n`, { mode: 0o600 });
    };
    const source = async (env = {}): Promise<unknown> => (await home.json(['whoami'], { env }))['key_source'];
    expect(await source({ CONTAINER_API_KEY: KEY })).toBe('environment CONTAINER_API_KEY');
    write('.vast_api_key');
    expect(await source({ CONTAINER_API_KEY: KEY })).toContain('.vast_api_key');
    write('.config/vastai/vast_api_key');
    expect(await source()).toContain('vastai/vast_api_key');
    write('.config/forgectl/credentials/vast');
    expect(await source()).toContain('forgectl login');
    expect(await source({ VAST_API_KEY: KEY })).toBe('environment VAST_API_KEY');
    expect(await source({ VAST_API_KEY: KEY, FORGECTL_API_KEY: KEY })).toBe('environment FORGECTL_API_KEY');
    chmodSync(join(home.directory, '.config/forgectl/credentials/vast'), 0o644);
    expect((await home.run(['whoami'])).stderr).toContain('chmod 600');
  });

  it('contexts: added, used, refused while in use, removed with their key', async () => {
    const { home, url } = await open();
    expect((await home.run(['context', 'add', 'work', '--api-url', url])).code).toBe(0);
    expect((await home.run(['context', 'add', 'work', '--api-url', url])).code).toBe(9);
    expect((await home.run(['context', 'add', '../evil'])).code).toBe(2);
    expect((await home.run(['context', 'add', 'plain', '--api-url', 'http://example.com'])).code).toBe(2);
    expect((await home.run(['login', '--context', 'work', '--key-file', '-'], { input: KEY })).code).toBe(0);
    expect((await home.run(['context', 'use', 'work'])).code).toBe(0);
    expect(await home.json(['whoami'])).toMatchObject({ context: 'work' });
    expect((await home.run(['context', 'rm', 'work', '--yes'])).code).toBe(9);
    expect((await home.run(['context', 'use', 'nowhere'])).code).toBe(3);
    await home.run(['context', 'use', 'vast']);
    expect((await home.run(['context', 'rm', 'work'])).code).toBe(2);
    expect((await home.run(['context', 'rm', 'work', '--yes'])).code).toBe(0);
    expect(existsSync(join(home.directory, '.config/forgectl/credentials/work'))).toBe(false);
  });

  it('settings: flag over environment over file over default, each with its origin', async () => {
    const { home } = await open();
    const disk = async (env = {}): Promise<unknown> => home.json(['config', 'get', 'disk'], { env });
    expect(await disk()).toEqual({ key: 'disk', value: 50, origin: 'default' });
    expect((await home.run(['config', 'set', 'disk', '80'])).code).toBe(0);
    expect(await disk()).toEqual({ key: 'disk', value: 80, origin: 'file' });
    expect(await disk({ FORGECTL_DISK: '90' })).toEqual({ key: 'disk', value: 90, origin: 'environment' });
    expect(statSync(join(home.directory, '.config/forgectl/settings.json')).mode & 0o777).toBe(0o600);
    expect((await home.run(['config', 'set', 'disk', 'big'])).code).toBe(2);
    expect((await home.run(['config', 'get', 'nothing'])).code).toBe(2);
    expect((await home.run(['config', 'unset', 'disk'])).code).toBe(0);
    expect(await disk()).toMatchObject({ origin: 'default' });
    writeFileSync(join(home.directory, '.config/forgectl/settings.json'), '{ broken');
    const broken = await home.run(['config', 'ls', '--json']);
    expect(JSON.parse(broken.stdout)).toMatchObject({ error: { code: 'SETTINGS_FILE', exit: 2 } });
  });
});
