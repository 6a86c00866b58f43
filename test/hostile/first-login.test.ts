import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { LoopbackSshd, newKey } from '../ssh/support/loopback-sshd.ts';
import { Home } from '../support/forgectl.ts';
import { RewritingApi } from './support/rewriting-api.ts';

/** As in test/stories: with FAULT_CASES only. */
const LONG = ['most', 'all'].includes(process.env['FAULT_CASES'] ?? '');

const SECRET = 'hf_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefgh';

interface Row {
  ssh_port: number;
}

/**
 * The stranger's machine accepts every key, and is where the API's row leads: at the port beside the proxy's, which is another
 * reading of the same row, or at the very address, where the real machine is no more or not yet.
 */
describe('a stranger who answers at the address of an instance', () => {
  const home = new Home();
  const stranger = new LoopbackSshd({ hostKeys: [newKey().private], authorized: 'everybody' });
  const folder = mkdtempSync(join(tmpdir(), 'forgectl stranger '));
  let api: RewritingApi;
  let env: Record<string, string>;
  let id = 0;

  beforeAll(async () => {
    await home.run(['sandbox', 'start', '--time-scale', '100']);
    const { url, api_key: key } = home.sandboxFile();
    api = new RewritingApi(url);
    env = { VAST_URL: await api.listen(), VAST_API_KEY: key };
    stranger.setEnv({ FORGECTL_ROOT: folder, HOME: folder });
    await stranger.listen();
    const words = ['launch', '--best', '--yes', '--label', 'mine', '--wait-for', 'ssh'];
    ({ id } = await home.json<{ id: number }>([...words, '--sandbox']));
  });
  afterEach(() => {
    api.rewrite = (row) => row;
    stranger.logins = 0;
    // As on another computer: nobody has logged in from here before.
    rmSync(join(home.directory, '.local/state/forgectl/host-keys/vast'), { recursive: true, force: true });
    rmSync(join(home.directory, '.local/state/forgectl/addresses/vast'), { recursive: true, force: true });
  });
  afterAll(async () => {
    stranger.close();
    api.close();
    await home.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  const pins = (): string[] => {
    try {
      return readdirSync(join(home.directory, '.local/state/forgectl/host-keys/vast'));
    } catch {
      return [];
    }
  };
  const withoutDirect = (row: Record<string, unknown>): Record<string, unknown> => ({ ...row, ports: null });
  /** Nobody at the first reading of the proxy's port, the stranger at the second. */
  const atGuess = (row: Record<string, unknown>): Record<string, unknown> => {
    return { ...withoutDirect(row), ssh_host: '127.0.0.1', ssh_port: stranger.port - 1, image_runtype: 'ssh' };
  };
  const atAddress = (row: Record<string, unknown>): Record<string, unknown> => {
    return { ...withoutDirect(row), ssh_host: '127.0.0.1', ssh_port: stranger.port, image_runtype: 'ssh' };
  };
  const unproved = (row: Record<string, unknown>): Record<string, unknown> => ({ ...row, onstart: 'entrypoint.sh' });

  const lines: [string, string[]][] = [
    ['env set', ['env', 'set', 'mine', `HF_TOKEN=${SECRET}`]],
    ['exec', ['exec', 'mine', '--', 'echo', SECRET]],
    ['cp', ['cp', 'SECRET_FILE', 'mine:']],
  ];

  const typedOf = (words: string[]): string[] => {
    const secret = join(home.directory, 'secret.txt');
    writeFileSync(secret, SECRET);
    return words.map((word) => (word === 'SECRET_FILE' ? secret : word));
  };

  // Each of them waits for the instance as long as for one that has just been started; env set for minutes, so it is left out.
  it.runIf(LONG).each([
    ['that names its keys', atGuess],
    ['that names none', (row: Record<string, unknown>) => unproved(atGuess(row))],
  ])('at a port that is only guessed gets nothing of an instance %s (long)', async (_what, place) => {
    api.rewrite = place;
    const ended = await Promise.all(lines.slice(1).map(([, words]) => home.run(typedOf(words), { env })));
    for (const { code, stderr } of ended) {
      expect([13, 255]).toContain(code);
      expect(stderr).toMatch(/Error: /u);
    }
    expect(stranger.logins).toBe(0);
    expect(pins()).toEqual([]);
    expect(readdirSync(folder)).toEqual([]);
  });

  it.each(lines)('at the very address is told from the instance, which names its keys: %s', async (_what, words) => {
    api.rewrite = atAddress;
    const { code, stderr } = await home.run(typedOf(words), { env });
    expect([13, 255]).toContain(code);
    expect(stderr).toContain(`Instance ${id} names other host keys than the one that its address showed`);
    expect(stranger.logins).toBe(0);
    expect(pins()).toEqual([]);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('is not trusted where a stranger was once: the instance is known again as soon as it answers', async () => {
    api.rewrite = atAddress;
    await home.run(['exec', 'mine', '--', 'true'], { env });
    api.rewrite = (row) => row;
    expect(await home.run(['exec', 'mine', '--', 'echo', 'there'], { env })).toMatchObject({
      code: 0,
      stdout: 'there\n',
    });
    const [pin = ''] = pins();
    expect(readFileSync(join(home.directory, '.local/state/forgectl/host-keys/vast', pin), 'utf8')).toContain(
      '# forgectl: named by the instance itself',
    );
  });

  it('gets the real instance into the way at the guessed port, where the instance has named its key', async () => {
    const { body } = await home.call('GET', `/api/v0/instances/${id}/`);
    const row = (body as { instances: Row }).instances;
    const proxied = { ssh_port: row.ssh_port - 1, ports: null, image_runtype: 'ssh' };
    api.rewrite = (one) => ({ ...one, ...proxied });
    expect(await home.run(['exec', 'mine', '--', 'echo', 'there'], { env })).toMatchObject({
      code: 0,
      stdout: 'there\n',
    });
  });

  it('gets no script of a launch, which ends at once', async () => {
    const script = join(home.directory, 'big.sh');
    writeFileSync(script, `#!/bin/bash\n# ${'x'.repeat(6000)}\nexport HF_TOKEN=${SECRET}\n`);
    api.rewrite = (row) => (row['label'] === 'fresh' ? atAddress(row) : row);
    const started = performance.now();
    const words = ['launch', '--best', '--yes', '--label', 'fresh', '--provisioning-file', script, '--attempts', '1'];
    const { error } = await home.json<{ error: { code: string; message: string } }>(words, { env });
    expect(error).toMatchObject({ code: 'SSH_HOST_KEY_MISMATCH', exit: 13 });
    expect(performance.now() - started).toBeLessThan(60_000);
    expect(readdirSync(folder)).toEqual([]);
  });
});
