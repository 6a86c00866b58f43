import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { isMost } from '../faults/chosen.ts';
import { newKey } from '../ssh/support/loopback-sshd.ts';
import { Home } from '../support/forgectl.ts';

interface KeyDocument {
  id: number | null;
  fingerprint: string | null;
  comment: string | null;
  malformed: boolean;
  forgectl_own: boolean;
  forgectl_login: boolean;
  private_key_at: string[];
  instance_ids: number[] | null;
}
interface RepairDocument {
  instances: { steps: { step: string; state: string }[]; login_worked_before: boolean | null; login_works: boolean }[];
}
interface ErrorDocument {
  error: { code: string; exit: number; hint: string; message: string; named_by_instance?: boolean };
}

/** The label of the launch's own machine; the other one was made by other hands. */
const NAMES = { own: 'one', other: 'by hand' };

describe('SSH keys and host keys (in order)', () => {
  const home = new Home({ FORGECTL_SANDBOX: '1' });
  const ids = { own: 0, other: 0 };
  const colleague = newKey();

  beforeAll(async () => {
    expect((await home.run(['sandbox', 'start', '--time-scale', '60'])).code).toBe(0);
    expect((await home.run(['keys', 'add'])).code).toBe(0);
    const [offer] = await home.json<{ id: number }[]>(['offers', '--limit', '1', '--sort', 'price']);
    const made = await home.call('PUT', `/api/v0/asks/${offer?.id}/`, {
      client_id: 'me',
      image: 'vastai/forge',
      disk: 20,
      label: NAMES.other,
      runtype: 'ssh_direct',
      onstart: 'entrypoint.sh',
    });
    ids.other = (made.body as { new_contract: number }).new_contract;
    const launched = await home.json<{ id: number }>([
      'launch',
      '--best',
      '--yes',
      '--label',
      NAMES.own,
      '--wait-for',
      'ssh',
    ]);
    expect(launched, JSON.stringify(launched)).toMatchObject({ id: expect.any(Number) });
    ids.own = launched.id;
    mkdirSync(join(home.directory, 'keys'));
    writeFileSync(
      join(home.directory, 'keys', 'colleague.pub'),
      `${colleague.public.split(' ').slice(0, 2).join(' ')} the "new" $(colleague)\n`,
    );
    writeFileSync(join(home.directory, 'keys', 'private'), newKey().private);
  });
  beforeEach(() => home.call('DELETE', '/sandbox/faults/'));
  afterAll(() => home.remove());

  const file = (name: string): string => join(home.directory, 'keys', name);
  const keys = (...words: string[]) => home.json<KeyDocument[]>(['keys', 'ls', ...words]);
  const hostKeyOf = (id: number): string => {
    const text = readFileSync(
      join(home.directory, 'sandbox', 'machines', String(id), 'root', 'etc', 'ssh', 'ssh_host_ed25519_key.pub'),
      'utf8',
    );
    const hash = createHash('sha256').update(Buffer.from(text.split(' ')[1] ?? '', 'base64'));
    return `SHA256:${hash.digest('base64').replace(/=+$/u, '')}`;
  };
  /** As the platform does after some hours (skypilot issue 10730). */
  const loseKey = async (): Promise<void> => {
    const account = (await home.call('GET', '/api/v0/ssh/')).body as { id: number }[];
    for (const { id } of account) await home.call('DELETE', `/api/v0/ssh/${id}/`);
    const held = (await home.call('GET', `/api/v0/instances/${ids.own}/ssh/`)).body as { ssh_keys: string };
    for (const { id } of JSON.parse(held.ssh_keys) as { id: number }[])
      await home.call('DELETE', `/api/v0/instances/${ids.own}/ssh/${id}/`);
  };

  it('a launch verifies the host key through the API; the machine of other hands is first seen at a login', async () => {
    expect(await home.json(['show', NAMES.own])).toMatchObject({
      host_key_state: 'verified',
      host_key_fingerprint: hostKeyOf(ids.own),
    });
    expect((await home.run(['show', NAMES.own])).stdout).toContain(`${hostKeyOf(ids.own)}, verified through the API`);
    expect(await home.json(['show', NAMES.other])).toMatchObject({ host_key_state: null, host_key_fingerprint: null });
    const attached = await home.json<{ instances: object[] }>(['keys', 'attach', NAMES.other]);
    expect(attached.instances).toMatchObject([{ attached: true, verified: true, error: null }]);
    const shown = await home.run(['show', NAMES.other]);
    expect(shown.stdout).toMatch(/Host key +SHA256:\S+, first seen \d{4}-\d\d-\d\d, not verified\n/u);
  });

  it('keys ls: fingerprint, where the private half is, and who has which; what is no key is shown all the same', async () => {
    const pasted = 'ssh-rsa AAAA \u001b[31m$(reboot)';
    await home.call('POST', '/api/v0/ssh/', { ssh_key: pasted });
    await home.call('POST', '/api/v0/ssh/', { ssh_key: `ssh-ed25519 ${newKey().private.replaceAll('\n', ' ')}` });
    const rows = await keys('--instances');
    expect(rows).toHaveLength(3);
    expect(rows[0]).toMatchObject({
      comment: 'forgectl',
      malformed: false,
      forgectl_own: true,
      forgectl_login: true,
      private_key_at: ["forgectl's own key"],
      instance_ids: [ids.other, ids.own],
    });
    expect(rows.slice(1)).toMatchObject([
      { malformed: true, fingerprint: null, instance_ids: [] },
      { malformed: true, fingerprint: null },
    ]);
    const human = await home.run(['keys', 'ls']);
    expect(human.code).toBe(0);
    expect(human.stdout).toContain('a private key was pasted');
    for (const secret of ['\u001b', 'BEGIN', 'b3BlbnNz']) expect(human.stdout).not.toContain(secret);
    const removed = await home.run(['keys', 'rm', ...rows.slice(1).map(({ id }) => String(id)), '--yes']);
    expect(removed.code, removed.stderr).toBe(0);
    expect(await keys()).toHaveLength(1);
  });

  it.runIf(isMost)('keys add: a public key once, by file or stdin; never a private one (long)', async () => {
    const dry = await home.json(['keys', 'add', file('colleague.pub'), '--dry-run']);
    expect(dry).toMatchObject({ dry_run: true, added: false, id: null });
    const added = await home.json(['keys', 'add', file('colleague.pub')]);
    expect(added).toMatchObject({ added: true, id: expect.any(Number), comment: 'the "new" $(colleague)' });
    const again = await home.run(['keys', 'add', '-'], { input: colleague.public });
    expect(again).toMatchObject({ code: 0, stdout: expect.stringContaining('already') });
    const refused = await home.json<ErrorDocument>(['keys', 'add', file('private')]);
    expect(refused.error).toMatchObject({ code: 'PRIVATE_KEY', exit: 2 });
    const piped = await home.json<ErrorDocument>(['keys', 'add', '-'], {
      input: readFileSync(file('private'), 'utf8'),
    });
    expect(piped.error).toMatchObject({ code: 'PRIVATE_KEY', exit: 2 });
    expect(JSON.stringify([refused, piped])).not.toContain('b3BlbnNz');
    expect(await keys()).toHaveLength(2);
  });

  it.runIf(isMost)(
    'keys rm: by comment or the start of a fingerprint, and not the key that forgectl needs (long)',
    async () => {
      const [own] = await keys();
      const refused = await home.json<ErrorDocument>(['keys', 'rm', own?.fingerprint?.slice(0, 15) ?? '', '--yes']);
      expect(refused.error).toMatchObject({ code: 'KEY_IN_USE', exit: 9 });
      expect((await home.run(['keys', 'rm', 'the-new-colleague'])).code).toBe(2);
      const removed = await home.json(['keys', 'rm', 'the-new-colleague', '--yes']);
      expect(removed).toMatchObject({ from: 'the account', keys: [{ removed: true }] });
      expect((await home.json<ErrorDocument>(['keys', 'rm', 'nobody', '--yes'])).error).toMatchObject({
        code: 'KEY_NOT_FOUND',
        exit: 3,
      });
    },
  );

  it.runIf(isMost)("keys attach: a colleague's key, which nobody here can prove, and off again (long)", async () => {
    const words = ['keys', 'attach', NAMES.own, '--key', file('colleague.pub')];
    expect(await home.json([...words, '--dry-run'])).toMatchObject({ dry_run: true });
    const { instances } = await home.json<{ instances: object[] }>(words);
    expect(instances).toMatchObject([
      { attached: true, verified: null, unverified_because: expect.stringContaining('private half') },
    ]);
    const rows = await keys(NAMES.own);
    expect(rows.find(({ id }) => id === null)).toMatchObject({ instance_ids: [ids.own], private_key_at: [] });
    const off = await home.run(['keys', 'rm', 'the-new-colleague', '--instance', NAMES.own, '--yes']);
    expect(off.code, off.stderr).toBe(0);
    expect(await keys(NAMES.own)).toHaveLength(1);
  });

  it('a login whose key was lost attaches it again through the API, and works', async () => {
    await loseKey();
    const done = await home.run(['wait', NAMES.own, '--for', 'ssh']);
    expect(done.code, done.stderr).toBe(0);
    expect(done.stderr).toContain('refused the key; attaching it again through the API');
    expect(await keys(NAMES.own)).toMatchObject([{ id: null, instance_ids: [ids.own] }]);
  });

  it.runIf(isMost)(
    'keys repair: says what was wrong at each step, puts it right, and proves it by a fresh login (long)',
    async () => {
      await loseKey();
      await home.call('PUT', '/sandbox/faults/', { name: 'key-not-applied', count: 1 });
      const dry = await home.json<RepairDocument>(['keys', 'repair', NAMES.own, '--dry-run']);
      expect(dry.instances).toMatchObject([
        { key_on_account: false, key_attached: false, login_worked_before: false, steps: [] },
      ]);
      expect(await keys()).toEqual([]);
      const { instances } = await home.json<RepairDocument>(['keys', 'repair', '--all']);
      const steps = instances.map((row) => row.steps.map(({ step, state }) => `${step} ${state}`));
      expect(steps).toEqual([
        ['account fixed', 'instance ok', 'login ok', 'host_key ok'],
        ['account ok', 'instance fixed', 'login fixed', 'host_key ok'],
      ]);
    },
  );

  it.runIf(isMost)(
    'a host key that changed behind our back is refused, explained, and taken only knowingly (long)',
    async () => {
      const before = hostKeyOf(ids.own);
      await home.call('PUT', `/api/v0/instances/recycle/${ids.own}/`, {});
      await home.statusSettles(ids.own, 'running');
      const after = hostKeyOf(ids.own);
      expect(after).not.toBe(before);
      const refused = await home.json<ErrorDocument>(['wait', NAMES.own, '--for', 'ssh']);
      expect(refused.error).toMatchObject({ code: 'SSH_HOST_KEY_CHANGED', exit: 13, pinned: before, shown: after });
      expect(refused.error.hint).toContain(`forgectl keys repair ${ids.own} --accept-host-key`);
      const unasked = await home.json<ErrorDocument>(['keys', 'repair', NAMES.own, '--yes']);
      expect(unasked.error).toMatchObject({ code: 'SSH_HOST_KEY_CHANGED', exit: 13, named_by_instance: true });
      expect((await home.run(['keys', 'repair', '--all', '--accept-host-key'])).code).toBe(2);
      const taken = await home.run(['keys', 'repair', NAMES.own, '--accept-host-key']);
      expect(taken.code, taken.stderr).toBe(0);
      expect(taken.stdout).toContain(`it was ${before}; ${after} is accepted`);
      expect(await home.json(['show', NAMES.own])).toMatchObject({
        host_key_state: 'verified',
        host_key_fingerprint: after,
      });
    },
  );

  it('no command of these has shown the private key, or made one in the wrong place', () => {
    expect(existsSync(join(home.directory, '.ssh'))).toBe(false);
  });
});
