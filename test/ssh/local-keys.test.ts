import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findIdentity } from '../../src/ssh/identity.ts';
import { listLocalKeys, loginKey, placesOf } from '../../src/ssh/local-keys.ts';
import { newKey } from './support/loopback-sshd.ts';

let home = '';
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'forgectl-local-'));
  mkdirSync(join(home, '.ssh'));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const places = (file: string | null = null) => ({ file, ownKeyDir: join(home, 'own'), env: {}, home });
const put = (name: string, text: string): void => writeFileSync(join(home, '.ssh', name), text);

describe('keys whose private half is here', () => {
  it('are looked for without making any', async () => {
    expect(await listLocalKeys(places())).toEqual([]);
    expect(await loginKey(places())).toBeNull();
    expect(existsSync(join(home, 'own'))).toBe(false);
  });

  it('are found in ~/.ssh by what the files hold, whatever they are called', async () => {
    const [one, two] = [newKey(), newKey()];
    put('work key', one.private);
    put('id_ed25519', two.private);
    put('id_ed25519.pub', two.public);
    put('colleague.pub', newKey().public);
    put('known_hosts', one.private);
    put('config', 'Host *\n');
    put('broken', '-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n');
    put('huge', `${one.private}${'x'.repeat(100_000)}`);
    mkdirSync(join(home, '.ssh', 'folder'));
    // Reading it would wait for ever.
    const program = 'mkfifo';
    execFileSync(program, [join(home, '.ssh', 'pipe')]);
    const found = await listLocalKeys(places());
    expect(found.map(({ where }) => where).sort()).toEqual(['~/.ssh/id_ed25519', '~/.ssh/work key']);
    expect(placesOf(`${one.public.split(' ').slice(0, 2).join(' ')} another comment`, found)).toEqual([
      '~/.ssh/work key',
    ]);
    expect(placesOf('ssh-ed25519 AAAA', found)).toEqual([]);
    expect(placesOf('', found)).toEqual([]);
  });

  it('the one to log in with is what findIdentity chooses', async () => {
    const named = newKey();
    put('named', named.private);
    const own = await findIdentity({ ...places(), askPassphrase: null });
    expect(await loginKey(places())).toMatchObject({ publicKey: own.publicKey, isOwn: true });
    expect(await loginKey(places('~/.ssh/named'))).toMatchObject({ isOwn: false, where: '~/.ssh/named' });
    expect(await loginKey(places('~/.ssh/gone'))).toBeNull();
  });
});
