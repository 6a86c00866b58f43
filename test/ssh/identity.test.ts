import { type ChildProcess, spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connect } from '../../src/ssh/connection.ts';
import { HostKeys } from '../../src/ssh/host-keys.ts';
import { findIdentities, findIdentity, type IdentityOptions, isSameKey } from '../../src/ssh/identity.ts';
import { parsePublicLine } from '../../src/ssh/key-file.ts';
import { generateKeyPair } from '../../src/ssh/own-key.ts';
import { LoopbackSshd, newKey } from './support/loopback-sshd.ts';
import { hasOpenSsh, openSsh } from './support/openssh.ts';

let home = '';
let agent: ChildProcess | null = null;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'forgectl-home-'));
  mkdirSync(join(home, '.ssh'), { mode: 0o700 });
});
afterEach(() => {
  agent?.kill();
  agent = null;
  rmSync(home, { recursive: true, force: true });
});

const options = (more: Partial<IdentityOptions> = {}): IdentityOptions => ({
  file: null,
  ownKeyDir: join(home, 'own'),
  env: {},
  home,
  askPassphrase: null,
  ...more,
});

function makeKey(name: string, type: string, passphrase = '', format: string[] = []): string {
  const path = join(home, '.ssh', name);
  openSsh('ssh-keygen', ['-q', '-t', type, '-N', passphrase, '-C', `me@${name}`, '-f', path, ...format]);
  return path;
}

async function startAgent(...paths: string[]): Promise<string> {
  const socket = join(home, 'agent.sock');
  const program = 'ssh-agent';
  const child = spawn(program, ['-D', '-a', socket], { stdio: ['ignore', 'pipe', 'ignore'] });
  agent = child;
  await new Promise((resolve) => child.stdout?.once('data', resolve));
  for (const path of paths) openSsh('ssh-add', ['-q', path], { SSH_AUTH_SOCK: socket });
  return socket;
}

const publicOf = (path: string): string => readFileSync(`${path}.pub`, 'utf8');

describe('forgectl’s own key', () => {
  it('is made at the first need, for the user alone, and OpenSSH reads it', async () => {
    const identity = await findIdentity(options());
    const path = join(home, 'own/id_ed25519');
    expect(identity).toMatchObject({ path, description: "forgectl's own key", agentSocket: null, passphrase: null });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(join(home, 'own')).mode & 0o777).toBe(0o700);
    expect(isSameKey(publicOf(path), identity.publicKey)).toBe(true);
    if (hasOpenSsh('the key that is made'))
      expect(isSameKey(openSsh('ssh-keygen', ['-y', '-f', path]), identity.publicKey)).toBe(true);
    expect((await findIdentity(options())).publicKey).toBe(identity.publicKey);
  });

  it('is one key, however many processes make it at once', async () => {
    const module = join(import.meta.dirname, '../../src/ssh/own-key.ts');
    const build = join(home, 'own-key.mjs');
    const { build: bundle } = await import('esbuild');
    const ssh2 = import.meta.resolve('ssh2');
    const alias = {
      name: 'ssh2',
      setup: (on: import('esbuild').PluginBuild) =>
        on.onResolve({ filter: /^ssh2$/ }, () => ({ path: ssh2, external: true })),
    };
    await bundle({
      entryPoints: [module],
      outfile: build,
      format: 'esm',
      bundle: true,
      platform: 'node',
      plugins: [alias],
    });
    const script = `import { ensureOwnKey } from ${JSON.stringify(build)}; await ensureOwnKey(${JSON.stringify(join(home, 'own'))}); process.stdout.write((await import('node:fs')).readFileSync(${JSON.stringify(join(home, 'own/id_ed25519'))}, 'utf8'))`;
    const run = (): Promise<string> =>
      new Promise((resolve) => {
        const child = spawn(process.execPath, ['--input-type=module', '-e', script]);
        let out = '';
        child.stdout.on('data', (chunk) => {
          out += chunk;
        });
        child.stderr.on('data', (chunk) => {
          out += chunk;
        });
        child.on('close', () => resolve(out));
      });
    const keys = await Promise.all(Array.from({ length: 6 }, run));
    expect(new Set(keys).size).toBe(1);
    expect(keys[0]).toContain('BEGIN OPENSSH PRIVATE KEY');
  });
});

describe('a key that the user names', () => {
  it.each([
    ['ed25519', []],
    ['ecdsa', []],
    ['rsa', []],
    ['rsa', ['-m', 'PEM']],
  ])('%s %j: its public half is read from the file, and the file is not touched', async (type, format) => {
    if (!hasOpenSsh(expect.getState().currentTestName ?? '')) return;
    const path = makeKey('named', type, '', format);
    const before = readFileSync(path, 'utf8');
    const identity = await findIdentity(options({ file: '~/.ssh/named' }));
    expect(isSameKey(identity.publicKey, publicOf(path))).toBe(true);
    expect(identity.publicKey).toMatch(/ me@named$/u);
    expect(readFileSync(path, 'utf8')).toBe(before);
  });

  it.each([
    ['ed25519', []],
    ['rsa', ['-m', 'PEM']],
  ])('%s %j that is encrypted is asked for once', async (type, format) => {
    if (!hasOpenSsh(expect.getState().currentTestName ?? '')) return;
    const path = makeKey('named', type, 'secret', format);
    const asked: string[] = [];
    const ask = (answer: string) => (which: string) => {
      asked.push(which);
      return Promise.resolve(answer);
    };
    const identity = await findIdentity(options({ file: path, askPassphrase: ask('secret') }));
    expect(identity).toMatchObject({ passphrase: 'secret' });
    expect(isSameKey(identity.publicKey, publicOf(path))).toBe(true);
    expect(asked).toEqual([path]);
    await expect(findIdentity(options({ file: path, askPassphrase: ask('wrong') }))).rejects.toThrow(
      /passphrase is wrong/u,
    );
    await expect(findIdentity(options({ file: path }))).rejects.toMatchObject({ code: 'BAD_SSH_KEY', exit: 2 });
  });

  it('that is missing, public or no key is wrong usage', async () => {
    const key = newKey();
    const path = join(home, 'x');
    await expect(findIdentity(options({ file: path }))).rejects.toThrow(/cannot be read \(ENOENT\)/u);
    for (const [text, message] of [
      ['hello', /not a private key/u],
      [key.public, /public key/u],
    ] as const) {
      writeFileSync(path, text);
      await expect(findIdentity(options({ file: path }))).rejects.toThrow(message);
    }
  });
});

describe('the order of the keys', () => {
  it('is agent, own, ~/.ssh; a locked one is listed only when somebody can be asked, and not asked yet', async () => {
    if (!hasOpenSsh(expect.getState().currentTestName ?? '')) return;
    const [rsa, locked] = [makeKey('id_rsa', 'rsa'), makeKey('id_ed25519', 'ed25519', 'secret')];
    const agentKeys = [makeKey('for_agent_rsa', 'rsa'), makeKey('for_agent', 'ed25519')];
    const env = { SSH_AUTH_SOCK: await startAgent(...agentKeys) };
    expect((await findIdentities(options({ env }))).map((one) => one.description)).toEqual([
      'agent (me@for_agent)',
      'agent (me@for_agent_rsa)',
      "forgectl's own key",
      rsa,
    ]);
    let asked = 0;
    const askPassphrase = (): Promise<string> => Promise.resolve(String(++asked) && 'secret');
    const all = await findIdentities(options({ env, askPassphrase }));
    expect(all.map((one) => one.path).slice(3)).toEqual([locked, rsa]);
    expect(asked).toBe(0);
    const unlock = all[3]?.unlock;
    expect(await Promise.all([unlock?.(), unlock?.()])).toEqual(['secret', 'secret']);
    expect(asked).toBe(1);
  });

  it('a key that the agent holds needs no passphrase, and its public half may name it', async () => {
    if (!hasOpenSsh(expect.getState().currentTestName ?? '')) return;
    const path = makeKey('named', 'ed25519');
    const env = { SSH_AUTH_SOCK: await startAgent(path) };
    openSsh('ssh-keygen', ['-q', '-p', '-P', '', '-N', 'now locked', '-f', path]);
    copyFileSync(`${path}.pub`, join(home, 'only.pub'));
    for (const file of [path, join(home, 'only.pub')])
      expect(await findIdentity(options({ file, env }))).toMatchObject({ agentSocket: env.SSH_AUTH_SOCK });
  });

  it('logs in with the agent’s key, and offers no other of the agent', async () => {
    if (!hasOpenSsh(expect.getState().currentTestName ?? '')) return;
    const [wanted, other] = [makeKey('wanted', 'rsa'), makeKey('other', 'rsa')];
    const env = { SSH_AUTH_SOCK: await startAgent(other, wanted) };
    const identity = await findIdentity(options({ file: `${wanted}.pub`, env }));
    const server = await new LoopbackSshd({ hostKeys: [newKey().private], authorized: [publicOf(wanted)] }).listen();
    const connection = await connect({
      candidates: [{ host: '127.0.0.1', port: server.port, via: 'direct' }],
      instanceId: '1',
      identity,
      hostKeys: new HostKeys(join(home, 'pins')),
      timeoutMs: 3000,
    });
    expect((await connection.run('echo in', { timeoutMs: 3000 })).stdout).toBe('in\n');
    expect(server.offered).toEqual([publicOf(wanted).split(' ')[1]]);
    connection.close();
    server.close();
  });

  it('an agent that is gone or never answers is no error', async () => {
    const socket = join(home, 'silent.sock');
    const silent = createServer();
    await new Promise<void>((resolve) => silent.listen(socket, resolve));
    for (const env of [{ SSH_AUTH_SOCK: join(home, 'gone') }, { SSH_AUTH_SOCK: socket }])
      expect((await findIdentity(options({ env }))).description).toBe("forgectl's own key");
    silent.close();
  });
});

describe('public key lines', () => {
  it('are made regular, and broken ones are none', () => {
    const { public: line } = newKey();
    const [type, base64] = line.split(' ');
    expect(parsePublicLine(`\n  ${type} ${base64}   my key, of 2026\r\n`)).toBe(`${type} ${base64} my-key-of-2026`);
    expect(parsePublicLine(`${type} ${base64}`)).toBe(`${type} ${base64} forgectl`);
    for (const bad of ['', 'hello', `ssh-rsa ${base64}`, `${type} AAAA`, `${type}`, `${type} !!!`])
      expect(parsePublicLine(bad)).toBeNull();
  });
});

describe('a made key', () => {
  it('can always be read back', async () => {
    const { utils } = (await import('ssh2')).default;
    for (let made = 0; made < 400; made += 1) {
      const pair = generateKeyPair(utils);
      expect(utils.parseKey(pair.private)).not.toBeInstanceOf(Error);
      expect(utils.parseKey(pair.public)).not.toBeInstanceOf(Error);
    }
  });
});
