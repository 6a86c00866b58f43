import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Home } from '../support/forgectl.ts';

/** Drives the sandbox as any other client would: nothing of forgectl but the process that serves it. */
const home = new Home();
const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJvcnJvd2VkLWZyb20tbm9ib2R5LWZvci1hLXRlc3Q tester';

type Row = Record<string, unknown> & { id: number; actual_status: string | null };

async function row(id: number): Promise<Row | null> {
  const { body } = await home.call('GET', `/api/v0/instances/${id}/?owner=me`);
  return (body as { instances: Row | null }).instances;
}

async function until(id: number, status: string): Promise<Row> {
  for (let look = 0; look < 600; look += 1) {
    const found = await row(id);
    if (found?.actual_status === status) return found;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`instance ${id} never became ${status}`);
}

describe('the sandbox, by plain fetch', () => {
  let id = 0;
  let offer: Row;

  beforeAll(async () => {
    await home.run(['sandbox', 'start', '--time-scale', '30', '--seed', '7']);
  });
  afterAll(() => home.remove());

  it('refuses calls without a key, and with a wrong one as the real API does', async () => {
    const { url } = home.sandboxFile();
    const bare = await fetch(`${url}/api/v0/users/current`);
    expect(bare.status).toBe(403);
    expect(await bare.json()).toMatchObject({ success: false, error: 'auth_error' });
    const headers = { authorization: 'Bearer wrong' };
    expect((await fetch(`${url}/api/v0/users/current/`, { headers })).status).toBe(401);
    expect((await fetch(`${url}/api/v0/bundles/`, { method: 'POST', headers, body: '{}' })).status).toBe(404);
  });

  it('has hundreds of offers and the whole filter grammar', async () => {
    const all = await home.call('POST', '/api/v0/bundles/', { limit: 5000 });
    expect((all.body as { offers: Row[] }).offers.length).toBeGreaterThanOrEqual(400);
    const query = {
      gpu_name: { in: ['RTX_4090', 'RTX 5090'] },
      num_gpus: { eq: 1 },
      reliability2: { gte: 0.95, lt: 1 },
      geolocation: { notin: ['US'] },
      verified: { eq: true },
      order: [['dph_total', 'asc']],
      type: 'on-demand',
      allocated_storage: 100,
    };
    const { offers } = (await home.call('POST', '/api/v0/bundles/', query)).body as { offers: Row[] };
    expect(offers.length).toBeGreaterThan(3);
    for (const found of offers) {
      expect(['RTX 4090', 'RTX 5090']).toContain(found['gpu_name']);
      expect(String(found['geolocation'])).not.toMatch(/, US$/u);
      const disk = (Number(found['storage_cost']) * 100) / 730;
      expect(found['dph_total']).toBeCloseTo(Number(found['dph_base']) + disk, 6);
    }
    const prices = offers.map((found) => Number(found['dph_total']));
    expect(prices).toEqual([...prices].sort((one, other) => one - other));
    offer = offers.find((found) => Number(found['disk_space']) > 40) as Row;
    expect((await home.call('POST', '/api/v0/bundles/', { num_gpus: { about: 1 } })).status).toBe(400);
    const twin = await home.call('PUT', '/api/v0/search/asks/', { select_cols: ['*'], q: query });
    expect((twin.body as { offers: Row[] }).offers.map((found) => found.id)).toEqual(offers.map((found) => found.id));
  });

  it('rents from a template, and the offer is gone', async () => {
    const found = await home.call(
      'GET',
      `/api/v0/template/?select_filters=${encodeURIComponent('{"name":{"eq":"Stable Diffusion WebUI Forge"},"recommended":{"eq":true}}')}`,
    );
    const [template] = (found.body as { templates: { hash_id: string }[] }).templates;
    const rented = await home.call('PUT', `/api/v0/asks/${offer.id}/`, {
      client_id: 'me',
      template_hash_id: template?.hash_id,
      disk: 20,
      label: 'by fetch',
      env: { 'MY VAR': 'x' },
    });
    expect(rented.body).toMatchObject({
      success: true,
      new_contract: expect.any(Number),
      instance_api_key: expect.any(String),
    });
    id = (rented.body as { new_contract: number }).new_contract;
    const again = await home.call('PUT', `/api/v0/asks/${offer.id}/`, { client_id: 'me', image: 'x' });
    expect(again.status).toBe(404);
    expect(JSON.stringify(again.body)).toContain('no_such_ask');
  });

  it('limits calls with a plain-text 429', async () => {
    const { url, api_key: key } = home.sandboxFile();
    const calls = await Promise.all(
      [1, 2, 3].map(() => fetch(`${url}/api/v1/instances/`, { headers: { authorization: `Bearer ${key}` } })),
    );
    const refused = calls.find((answer) => answer.status === 429);
    expect(await refused?.text()).toBe('API requests too frequent: endpoint threshold=1');
  });

  it('goes through its states until it runs, with a port map', async () => {
    const running = await until(id, 'running');
    expect(running).toMatchObject({ label: 'by fetch', intended_status: 'running', is_bid: false, disk_space: 20 });
    const { body } = await home.call(
      'GET',
      `/api/v1/instances/?select_filters=${encodeURIComponent(JSON.stringify({ id: { eq: id } }))}`,
    );
    const [listed] = (body as { instances: { ports: Record<string, { HostPort: unknown }[]> }[] }).instances;
    expect(listed?.ports['22/tcp']?.[0]?.HostPort).toMatch(/^\d+$/u);
    expect(
      (await home.call('GET', `/api/v1/instances/?select_filters=${encodeURIComponent('{"dph_total":{"gt":0}}')}`))
        .status,
    ).toBe(400);
  });

  it('takes keys for the account and for the instance', async () => {
    expect((await home.call('POST', '/api/v0/ssh/', { ssh_key: KEY })).body).toMatchObject({ success: true });
    expect((await home.call('POST', `/api/v0/instances/${id}/ssh/`, { ssh_key: KEY })).body).toMatchObject({
      success: true,
    });
    const { body } = await home.call('GET', `/api/v0/instances/${id}/ssh/`);
    const keys = JSON.parse((body as { ssh_keys: string }).ssh_keys) as { id: number; public_key: string }[];
    expect(keys.map((key) => key.public_key)).toContain(KEY);
    expect((await home.call('DELETE', `/api/v0/instances/${id}/ssh/${keys[0]?.id}/`)).body).toMatchObject({
      success: true,
    });
    expect((await home.call('DELETE', `/api/v0/instances/${id}/ssh/1/`)).status).toBe(404);
  });

  it('gives logs through an address that asks for no key and is not there at once', async () => {
    const ask = async (): Promise<string> => {
      const { body } = await home.call('PUT', `/api/v0/instances/request_logs/${id}/`, { tail: '100' });
      const { result_url: url } = body as { result_url: string };
      expect((await fetch(url)).status).toBe(404);
      for (;;) {
        await new Promise((resolve) => setTimeout(resolve, 50));
        const answer = await fetch(url);
        if (answer.ok) return answer.text();
      }
    };
    // The machine may still be booting.
    let text = await ask();
    for (let look = 0; look < 20 && !text.includes('65-supervisor-launch'); look += 1) text = await ask();
    expect(text).toContain('65-supervisor-launch');
    expect((await home.call('PUT', `/api/v0/instances/command/${id}/`, { command: 'cat /etc/passwd' })).status).toBe(
      400,
    );
  });

  it('stops, starts, and the credit goes down meanwhile', async () => {
    const before = ((await home.call('GET', '/api/v0/users/current/')).body as { credit: number }).credit;
    expect((await home.call('PUT', `/api/v0/instances/${id}/`, { state: 'stopped' })).body).toEqual({ success: true });
    const stopped = await until(id, 'exited');
    expect(stopped).toMatchObject({ intended_status: 'stopped', ports: null });
    await home.call('PUT', `/api/v0/instances/${id}/`, { state: 'running' });
    await until(id, 'running');
    const after = ((await home.call('GET', '/api/v0/users/current/')).body as { credit: number }).credit;
    expect(after).toBeLessThan(before);
  });

  it('keeps its state through kill -9 and a restart', async () => {
    const { pid } = home.sandboxFile();
    process.kill(pid, 'SIGKILL');
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect((await home.run(['sandbox', 'start', '--time-scale', '30'])).code).toBe(0);
    expect(home.sandboxFile().pid).not.toBe(pid);
    const back = await until(id, 'running');
    expect(back).toMatchObject({ id, label: 'by fetch' });
  });

  it('destroys: null with 200 afterwards, 404 for a second time, and the offer is back', async () => {
    expect((await home.call('DELETE', `/api/v0/instances/${id}/`, {})).body).toMatchObject({ success: true });
    expect(await row(id)).toBeNull();
    expect((await home.call('DELETE', `/api/v0/instances/${id}/`, {})).status).toBe(404);
    const { offers } = (await home.call('POST', '/api/v0/bundles/', { id: { eq: offer.id } })).body as {
      offers: Row[];
    };
    expect(offers).toHaveLength(1);
    const days = encodeURIComponent('{"day":{"gte":0,"lte":4000000000}}');
    const { results } = (await home.call('GET', `/api/v0/charges/?limit=10&select_filters=${days}`)).body as {
      results: { source: string; amount: number }[];
    };
    expect(results).toMatchObject([{ source: `instance-${id}` }]);
    expect(results[0]?.amount).toBeGreaterThan(0);
  });

  it('two sandboxes with different directories do not meet', async () => {
    const other = new Home();
    try {
      await other.run(['sandbox', 'start']);
      expect(other.sandboxFile().url).not.toBe(home.sandboxFile().url);
      expect(other.sandboxFile().api_key).not.toBe(home.sandboxFile().api_key);
    } finally {
      await other.remove();
    }
  });
});
