import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Home } from '../support/forgectl.ts';

/** Sandbox seconds in one of ours: fast, and slow enough for two busy cores. */
const TIME_SCALE = '25';
const LABEL = 'my "forge" $(touch pwned) ☃';

describe('the first journey', () => {
  const home = new Home({ FORGECTL_SANDBOX: '1' });
  let id = 0;

  beforeAll(async () => {
    const started = await home.run(['sandbox', 'start', '--time-scale', TIME_SCALE]);
    expect(started.code, started.stderr).toBe(0);
  });
  afterAll(() => home.remove());

  it('launch: shows the plan as data and rents nothing with --dry-run', async () => {
    const { plan } = await home.json<{ plan: Record<string, unknown> }>([
      'launch',
      '--best',
      '--dry-run',
      '--env',
      'HF_TOKEN=hf_secret123456',
    ]);
    expect(plan).toMatchObject({ interruptible: false, disk_gb: 50, wait_for: 'forge', forge_args: '--port 17860' });
    expect(plan['environment_names']).toContain('HF_TOKEN');
    expect(JSON.stringify(plan)).not.toContain('hf_secret');
    expect(await home.json(['ls'])).toEqual([]);
  });

  it('launch: needs the choice of an offer when there is no terminal, and names the flags', async () => {
    const { code, stderr, stdout } = await home.run(['launch']);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain('--offer, --cheapest or --best');
  });

  it('launch: rents, climbs the ladder, and ends when Forge answers', async () => {
    const events = await home.run([
      'launch',
      '--best',
      '--yes',
      '--label',
      LABEL,
      '--forge-args',
      '--api --port 9999',
      '--json',
      '--events',
    ]);
    expect(events.code, events.stdout + events.stderr).toBe(0);
    const lines = events.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const names = lines.map((line) => line.event);
    expect(names).toContain('rented');
    expect(lines.filter((line) => line.event === 'ready').map((line) => line.rung)).toEqual([
      'api',
      'ssh',
      'boot',
      'provisioning',
      'forge',
    ]);
    expect(names.at(-1)).toBe('result');
    const { result } = lines.at(-1);
    expect(result).toMatchObject({ label: LABEL, reached: 'forge', forge_http_status: 200 });
    expect(result.plan.forge_args).toBe('--api --port 17860');
    id = result.id;
    expect(existsSync(join(process.cwd(), 'pwned'))).toBe(false);
  });

  it("launch: makes forgectl's own key, for the user alone", () => {
    const key = join(home.directory, '.config', 'forgectl', 'ssh', 'id_ed25519');
    expect(statSync(key).mode & 0o777).toBe(0o600);
    expect(statSync(join(key, '..')).mode & 0o777).toBe(0o700);
  });

  it('launch: refuses a label that is in use, before it rents', async () => {
    const refused = await home.json<{ error: { code: string; exit: number } }>([
      'launch',
      '--best',
      '--yes',
      '--label',
      LABEL,
    ]);
    expect(refused.error).toMatchObject({ code: 'LABEL_IN_USE', exit: 9 });
  });

  it('ls and show: name price, state and address, and no secret', async () => {
    const [row] = (await home.json(['ls'])) as unknown as Record<string, unknown>[];
    expect(row).toMatchObject({ id, label: LABEL, state: 'running', interruptible: false });
    expect(row?.['price_per_hour_usd']).toBeGreaterThan(0);
    const shown = await home.run(['show', 'my "f', '--json']);
    expect(shown.code).toBe(0);
    const { body } = await home.call('GET', '/api/v1/instances/');
    const token = (body as { instances: { jupyter_token: string }[] }).instances[0]?.jupyter_token as string;
    expect(shown.stdout).not.toContain(token);
    const human = await home.run(['show']);
    expect(human.stdout).toContain('while running');
  });

  it("Forge's API answers inside the machine, reached through its published port with the token", async () => {
    const { body } = await home.call('GET', '/api/v1/instances/');
    const row = (body as { instances: { jupyter_token: string; ports: Record<string, { HostPort: string }[]> }[] })
      .instances[0];
    const base = `http://127.0.0.1:${row?.ports['7860/tcp']?.[0]?.HostPort}`;
    expect((await fetch(base)).status).toBe(401);
    const models = await fetch(`${base}/sdapi/v1/sd-models`, {
      headers: { authorization: `Bearer ${row?.jupyter_token}` },
    });
    expect(models.status).toBe(200);
    expect(await models.json()).toMatchObject([{ model_name: 'v1-5-pruned-emaonly' }]);
    const drawn = await fetch(`${base}/sdapi/v1/txt2img`, {
      method: 'POST',
      headers: { authorization: `Bearer ${row?.jupyter_token}` },
      body: '{"prompt":"a fox"}',
    });
    const { images } = (await drawn.json()) as { images: string[] };
    expect(
      Buffer.from(images[0] ?? '', 'base64')
        .subarray(0, 8)
        .toString('latin1'),
    ).toBe('\x89PNG\r\n\x1a\n');
  });

  it('stop, start, wait, reboot, recycle: each reads back that it happened and says what it costs', async () => {
    const stopped = await home.run(['stop', String(id)]);
    expect(stopped.code, stopped.stderr).toBe(0);
    expect(stopped.stdout).toMatch(/\$[\d.]+\/h → \$[\d.]+\/day/u);
    expect(await home.json(['show'])).toMatchObject({ state: 'stopped' });
    expect((await home.run(['stop'])).code).toBe(0);
    expect((await home.run(['start'])).code).toBe(0);
    const ready = await home.json<{ instances: unknown[] }>(['wait', `C.${id}`, '--for', 'forge']);
    expect(ready.instances).toMatchObject([{ reached: 'forge', forge_http_status: 200 }]);
    expect((await home.run(['reboot'])).code).toBe(2);
    expect((await home.run(['reboot', '--yes'])).code).toBe(0);
    // The host key and the ports are new, and forgectl knows why.
    expect((await home.run(['recycle', '--yes'])).code).toBe(0);
    expect((await home.run(['wait', '--for', 'ssh'])).code).toBe(0);
  });

  it('label: renames, and takes no label that reads as an id', async () => {
    expect((await home.run(['label', String(id), '12345'])).code).toBe(2);
    expect((await home.run(['label', String(id), 'plain'])).code).toBe(0);
    expect(await home.json(['show', 'pl'])).toMatchObject({ id, label: 'plain' });
  });

  it('destroy: asks, then reads back that it is gone; the ledger agrees', async () => {
    expect((await home.run(['destroy', 'plain'])).code).toBe(2);
    expect(await home.json(['destroy', 'plain', '--dry-run'])).toMatchObject({ dry_run: true });
    const destroyed = await home.json<{ instances: { changed: boolean; state: null }[] }>([
      'destroy',
      'plain',
      '--yes',
    ]);
    expect(destroyed.instances).toMatchObject([{ changed: true, state: null }]);
    expect(await home.json(['ls'])).toEqual([]);
    const { body } = await home.call('GET', '/sandbox/ledger/');
    const { contracts } = body as { contracts: { destroyed_at: string | null }[] };
    expect(contracts).toHaveLength(1);
    expect(contracts[0]?.destroyed_at).not.toBeNull();
    expect((await home.run(['show', 'plain'])).code).toBe(3);
  });
});
