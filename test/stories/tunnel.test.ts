import { existsSync, statSync } from 'node:fs';
import { get } from 'node:http';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isRunning } from '../../src/process-identity.ts';
import { isMost } from '../faults/chosen.ts';
import { Home } from '../support/forgectl.ts';
import { HeldCommand } from '../support/held-command.ts';

const LABEL = 'tunnel "$(touch pwned)" ☃';

describe('a tunnel to a machine', () => {
  const home = new Home({ FORGECTL_SANDBOX: '1' });
  let id = 0;

  beforeAll(async () => {
    const started = await home.run(['sandbox', 'start', '--time-scale', '40']);
    expect(started.code, started.stderr).toBe(0);
    const launched = await home.json<{ id: number }>([
      'launch',
      '--best',
      '--yes',
      '--label',
      LABEL,
      '--wait-for',
      'forge',
    ]);
    id = launched.id;
  });
  afterAll(() => home.remove());

  it('is up before Forge is, says what it waits for, survives a reboot, and ends 130 on Ctrl-C', async () => {
    expect((await home.run(['service', 'stop', LABEL, 'forge', '--yes'])).code).toBe(0);
    const held = new HeldCommand(home, ['tunnel', LABEL, '0:forge', '0:portal']);
    const forge = await held.until('listening', 0, ({ service }) => service === 'forge');
    await held.until('connected');
    expect(await held.until('not_ready', 0, ({ service }) => service === 'forge')).toMatchObject({
      stage: expect.any(String),
      log_tail: expect.any(Array),
    });
    expect((await home.run(['service', 'start', LABEL, 'forge', '--yes'])).code).toBe(0);
    await held.until('ready', 0, ({ service }) => service === 'forge');
    const port = forge['local_port'] as number;
    expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(200);
    expect((await fetch(`http://[::1]:${port}/`)).status).toBe(200);

    const from = held.events.length;
    const rebooting = home.run(['reboot', String(id), '--yes']);
    await held.until('lost', from);
    // Held while there is no connection, not refused.
    const during = fetch(`http://127.0.0.1:${port}/`).then(
      ({ status }) => status,
      () => 'refused',
    );
    const again = await held.until('reconnected', from);
    expect(again['address']).not.toBe((await held.until('connected'))['address']);
    await held.until('ready', from, ({ service }) => service === 'forge');
    expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(200);
    expect([200, 'refused']).toContain(await during);
    expect((await rebooting).code).toBe(0);

    const { code } = await held.interrupt();
    expect(code).toBe(130);
    expect(held.events.slice(-2).map(({ event }) => event)).toEqual(['closed', 'result']);
    const { result } = held.events.at(-1) as unknown as { result: { forwards: { bytes_down: number }[] } };
    expect(result.forwards[0]?.bytes_down).toBeGreaterThan(0);
    await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow();
  });

  it('a taken port is exit 9 with its holder, before anything is connected; --auto-port takes the next', async () => {
    const squatter = await listen();
    const { port } = squatter.address() as { port: number };
    const refused = await home.json<{ error: Record<string, unknown> }>(['tunnel', LABEL, `${port}:forge`]);
    expect(refused.error).toMatchObject({ code: 'PORT_TAKEN', exit: 9, port });
    if (process.platform === 'linux') expect(refused.error['message']).toContain(`process ${process.pid}`);
    const held = new HeldCommand(home, ['tunnel', `${port}:forge`, '--auto-port']);
    const moved = await held.until('listening');
    expect(moved['local_port']).toBeGreaterThan(port);
    await held.until('ready');
    await held.interrupt();
    squatter.close();
  });

  it('words that cannot be meant are exit 2, a service that the machine does not have is exit 3', async () => {
    expect((await home.run(['tunnel', LABEL, '99999:1'])).code).toBe(2);
    expect((await home.run(['tunnel', LABEL, '9000:1', '9000:2'])).code).toBe(2);
    const missing = await home.json<{ error: Record<string, unknown> }>(['tunnel', LABEL, 'comfyui']);
    expect(missing.error).toMatchObject({
      code: 'SERVICE_NOT_FOUND',
      exit: 3,
      services: expect.arrayContaining(['forge']),
    });
  });

  it('run: opens, runs the command when the service answers, passes its status on, and closes', async () => {
    const script = `process.exitCode = 7;
      fetch(process.env.FORGECTL_TUNNEL_URL).then(({ status }) => process.stdout.write(String(status)));`;
    const ran = await home.run(['tunnel', 'run', LABEL, '0:forge', '--', process.execPath, '-e', script]);
    expect(ran).toMatchObject({ code: 7, stdout: '200' });
    expect((await home.run(['tunnel', 'run', LABEL])).code).toBe(2);
    expect((await home.run(['tunnel', 'run', LABEL, '0:forge', '--', 'no-such-program'])).code).toBe(2);
  });

  it.runIf(isMost)(
    '--detach: one process an instance that the next call adds to; ls, wait, logs and stop know it (long)',
    async () => {
      const squatter = await listen();
      const { port: taken } = squatter.address() as { port: number };
      expect(await home.json(['tunnel', LABEL, `${taken}:forge`, '--detach'])).toMatchObject({
        error: { code: 'PORT_TAKEN', exit: 9 },
      });
      squatter.close();
      expect(await home.json(['tunnel', 'ls'])).toEqual([]);
      expect(await home.json(['tunnel', 'wait'])).toMatchObject({ error: { code: 'NO_TUNNEL', exit: 3 } });

      const path = join(home.directory, 'forge sock');
      const [one, two] = await Promise.all([
        home.json<Status>(['tunnel', LABEL, '0:forge', '--detach']),
        home.json<Status>(['tunnel', LABEL, `${path}:forge`, '--detach']),
      ]);
      expect(one.pid).toBe(two.pid);
      expect([one.started, two.started].sort()).toEqual([false, true]);
      const rows = (await home.json(['tunnel', 'ls'])) as unknown as Row[];
      expect(rows.map(({ local }) => local).sort()).toEqual([path, expect.stringMatching(/^localhost:\d+$/u)].sort());
      expect(rows[0]).toMatchObject({ instance_id: id, label: LABEL, service: 'forge', pid: one.pid });

      const waited = await home.run(['tunnel', 'wait', LABEL, 'forge', '--timeout', '60s']);
      expect(waited.code, waited.stderr).toBe(0);
      const url = rows.find((row) => row.url !== null)?.url as string;
      expect((await fetch(url)).status).toBe(200);
      expect(await getByPath(path)).toBe(200);
      expect(statSync(path).mode & 0o777).toBe(0o600);

      const clash = await home.json<{ error: { message: string } }>(['tunnel', LABEL, `${new URL(url).port}:forge`]);
      expect(clash.error.message).toContain('background tunnel');
      expect((await home.run(['tunnel', 'logs', LABEL])).stdout).toContain('forge is ready (HTTP 200)');
      expect(await home.json(['tunnel', 'stop'])).toMatchObject({ stopped: [{ instance_id: id, pid: one.pid }] });
      expect(existsSync(path)).toBe(false);
      await expect(fetch(url)).rejects.toThrow();
      expect((await home.run(['tunnel', 'stop'])).code).toBe(3);
      expect((await home.run(['tunnel', 'logs', String(id)])).stdout).toContain('stopped by forgectl tunnel stop');
    },
  );

  it.runIf(isMost)(
    'a background tunnel that was killed is swept; one whose instance is gone ends by itself and says so (long)',
    async () => {
      const first = await home.json<Status>(['tunnel', LABEL, '0:forge', '--detach']);
      process.kill(first.pid, 'SIGKILL');
      await expect.poll(() => home.json(['tunnel', 'ls'])).toEqual([]);
      const second = await home.json<Status>(['tunnel', LABEL, '0:forge', '--detach']);
      expect(second.started).toBe(true);
      expect((await home.run(['destroy', LABEL, '--yes'])).code).toBe(0);
      await expect.poll(() => isRunning({ pid: second.pid, started: null })).toBe(false);
      expect((await home.run(['tunnel', 'logs', String(id)])).stdout).toContain(`Instance ${id} no longer exists`);
    },
  );
});

interface Row {
  instance_id: number;
  local: string;
  url: string | null;
}

interface Status {
  pid: number;
  started: boolean;
}

function getByPath(socketPath: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    get({ socketPath, path: '/' }, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    }).once('error', reject);
  });
}

function listen(): Promise<Server> {
  const server = createServer();
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}
