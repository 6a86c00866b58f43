import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isMost } from '../faults/chosen.ts';
import { Home } from '../support/forgectl.ts';
import { UpgradeMachine } from '../support/upgrade-machine.ts';

const PASSWORD = 's3cretpw9';
const servers: Server[] = [];

async function listen(server: Server): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** All that lies below a folder, as one text: what is kept must not hold it, wherever it is. */
function textOf(folder: string): string {
  if (!existsSync(folder)) return '';
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'))
    .join('\n');
}

afterAll(() => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
});

describe('secrets', () => {
  const machine = new UpgradeMachine();
  const { home } = machine;
  const state = (): string => textOf(join(home.directory, '.local/state/forgectl/runs'));

  beforeAll(() => machine.start(60));
  afterAll(() => machine.stop());

  it('an API that quotes what it was sent: in no message, no journal and no debug line', async () => {
    const { url, api_key: key } = home.sandboxFile();
    const proxy = createServer(async (request, response) => {
      const body = (await buffer(request)).toString();
      if (request.url?.includes('/asks/') || (request.url?.includes('/secrets/') && request.method !== 'GET')) {
        // Only a few: what is shown of a message has an end.
        const { env: sent = null } = JSON.parse(body) as { env?: { T_TOKEN?: string; MYPASS?: string } };
        const quoted = sent === null ? body : JSON.stringify({ T_TOKEN: sent.T_TOKEN, MYPASS: sent.MYPASS });
        response.writeHead(400, { 'content-type': 'application/json' });
        return response.end(JSON.stringify({ success: false, error: 'invalid_args', msg: `invalid: ${quoted}` }));
      }
      const { authorization = '' } = request.headers;
      const answer = await fetch(`${url}${request.url}`, {
        method: request.method ?? 'GET',
        headers: { authorization, 'content-type': 'application/json' },
        ...(request.method === 'GET' ? {} : { body }),
      });
      response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? '' });
      return response.end(await answer.text());
    });
    const env = { FORGECTL_SANDBOX: '', VAST_URL: `http://127.0.0.1:${await listen(proxy)}`, VAST_API_KEY: key };
    const words = ['launch', '--best', '--yes', '--env', 'T_TOKEN=plainsecretvalue4', '--env', 'MYPASS=hunter2hunter2'];
    const launched = await home.run([...words, '--json', '--debug'], { env });
    expect(launched.code, launched.stderr).not.toBe(0);
    expect(launched.stderr).toContain('/api/v0/asks/');
    const set = await home.run(['env', 'account', 'set', 'X=plainsecretvalue4', '--debug'], { env });
    expect(set.code).not.toBe(0);
    const said = launched.stdout + launched.stderr + set.stdout + set.stderr + state();
    expect(said).toContain('[redacted]');
    for (const secret of ['plainsecret', 'hunter2', key]) expect(said).not.toContain(secret);
  });

  it('the key goes to no address in clear, and to no context that it was not given for', async () => {
    const key = 'k3y-of-the-user-1';
    let calls = 0;
    const port = await listen(
      createServer((_request, response) => {
        calls += 1;
        response.end('{}');
      }),
    );
    const other = new Home();
    try {
      const clear = await other.run(['ls'], { env: { VAST_URL: `http://192.0.2.2:${port}`, VAST_API_KEY: key } });
      expect([clear.code, clear.stderr]).toEqual([2, expect.stringContaining('VAST_URL')]);
      await other.run(['context', 'add', 'other', '--api-url', `http://127.0.0.1:${port}`]);
      const wrong = await other.run(['ls', '--context', 'other'], { env: { FORGECTL_API_KEY: key } });
      expect([wrong.code, wrong.stderr]).toEqual([4, expect.stringContaining('FORGECTL_CONTEXT')]);
      expect(calls).toBe(0);
      await other.run(['ls'], { env: { FORGECTL_API_KEY: key, FORGECTL_CONTEXT: 'other' } });
      expect(calls).toBeGreaterThan(0);
    } finally {
      await other.remove();
    }
  });

  it.runIf(isMost)(
    "a password in the remote's address stays on the machine, and comes back with a rollback (long)",
    async (test) => {
      if (!existsSync(join(execFileSync('git', ['--exec-path'], { encoding: 'utf8' }).trim(), 'git-remote-http')))
        return test.skip();
      const bare = machine.git('remote', 'get-url', 'origin');
      machine.remote.branch('plain', { 'README.md': '# plain\n' }, machine.imageSha);
      machine.remote.git('push', '-q', '-f', 'origin', `${machine.imageSha}:refs/heads/main-as-it-was`);
      execFileSync('git', ['-C', bare, 'update-server-info']);
      const port = await listen(
        createServer((request, response) => {
          const given = Buffer.from(request.headers.authorization?.split(' ')[1] ?? '', 'base64').toString();
          const file = join(bare, new URL(request.url ?? '/', 'http://x').pathname);
          if (given !== `deploy:${PASSWORD}`)
            return response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
          if (!existsSync(file)) return response.writeHead(404).end();
          return response.end(readFileSync(file));
        }),
      );
      const remote = `http://deploy:${PASSWORD}@127.0.0.1:${port}`;
      machine.git('remote', 'set-url', 'origin', remote);
      const said: string[] = [];
      const run = async (words: string[]): Promise<string> => {
        const { stdout, stderr } = await home.run(words);
        said.push(stdout, stderr);
        return stdout + stderr;
      };
      expect(await run(['upgrade', 'web', '--ref', 'plain', '--dry-run', '--json'])).toContain('[redacted]@127.0.0.1');
      expect(await run(['upgrade', 'web', '--ref', 'plain', '--remote', bare, '--yes', '--json'])).toContain('"done"');
      expect(machine.git('remote', 'get-url', 'origin')).toBe(bare);
      expect(await run(['upgrade', 'web', '--rollback', '--yes', '--json'])).toContain('"done"');
      expect(machine.git('remote', 'get-url', 'origin')).toBe(remote);
      expect(machine.git('rev-parse', 'HEAD')).toBe(machine.imageSha);
      await run(['upgrade', 'history', 'web', '--json']);
      await run(['runs', 'ls', '--json']);
      const history = readFileSync(join(machine.root, 'var/lib/forgectl/upgrades/history'), 'utf8')
        .split(/\s+/u)
        .map((word) => Buffer.from(word, 'base64').toString())
        .join();
      expect(history).toContain('[redacted]@');
      expect(said.join() + state() + history).not.toContain(PASSWORD);
    },
  );
});
