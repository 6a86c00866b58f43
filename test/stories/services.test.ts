import { readdirSync, readFileSync, rmSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isMost } from '../faults/chosen.ts';
import { Home } from '../support/forgectl.ts';

interface Service {
  name: string;
  state: string;
  pid: number | null;
  answers: boolean | null;
  management: boolean;
  reason: string | null;
}
interface Result {
  name: string;
  result: string;
  pid_before: number | null;
  pid: number | null;
  error: { exit: number } | null;
}
interface Variable {
  name: string;
  value: string | null;
  hidden: boolean;
  origin: string;
  wins: boolean;
}

describe('services and variables of a machine (in order)', () => {
  const home = new Home({ FORGECTL_SANDBOX: '1' });
  let root = '';
  const dotenv = (): string => readFileSync(join(root, 'workspace', '.env'), 'utf8');
  const services = async (...words: string[]): Promise<Record<string, Service>> => {
    const { services: rows } = await home.json<{ services: Service[] }>(['service', 'ls', ...words]);
    return Object.fromEntries(rows.map((row) => [row.name, row]));
  };
  const act = async (...words: string[]): Promise<Result[]> => {
    const answer = await home.json<{ services: Result[] }>(['service', ...words]);
    expect(answer.services, JSON.stringify(answer)).toBeDefined();
    return answer.services;
  };
  const variables = async (...words: string[]): Promise<Variable[]> =>
    (await home.json<{ variables: Variable[] }>(['env', 'ls', ...words])).variables;

  beforeAll(async () => {
    const started = await home.run(['sandbox', 'start', '--time-scale', '100']);
    if (started.code !== 0) throw new Error(started.stderr);
    const token = await home.run(['env', 'account', 'set', 'hf_token=-', '--json'], { input: 'abc.def-123\n' });
    expect(JSON.parse(token.stdout)).toMatchObject({ changes: [{ name: 'HF_TOKEN', change: 'added' }] });
    const launched = await home.json<{ id: number }>(['launch', '--best', '--yes', '--label', 'web']);
    root = join(home.directory, 'sandbox', 'machines', String(launched.id), 'root');
  });
  afterAll(() => home.remove());

  it('ls tells running, skipped and answering apart; management is not stopped, and nothing else is touched', async () => {
    const rows = await services('web');
    expect(rows['forge']).toMatchObject({ state: 'running', answers: true, pid: expect.any(Number) });
    expect(rows['tensorboard']).toMatchObject({ state: 'skipped', answers: false, pid: null });
    expect(rows['caddy']).toMatchObject({ state: 'running', answers: null, management: true });
    const { error } = await home.json<{ error: object }>(['service', 'stop', 'web', 'forge', 'instance_portal']);
    expect(error).toMatchObject({ code: 'MANAGEMENT_SERVICE', exit: 9 });
    expect(await home.json(['service', 'start', 'tensorboard'])).toMatchObject({ error: { code: 'SERVICE_SKIPPED' } });
    expect(await home.json(['service', 'stop', 'web', '$(id)'])).toMatchObject({ error: { exit: 3 } });
    expect(await act('stop', 'web', 'forge', '--dry-run')).toMatchObject([{ result: 'planned' }]);
    const status = await home.run(['service', 'status', 'forge']);
    expect(status.code).toBe(0);
    expect(status.stdout).toContain(`pid ${rows['forge']?.pid}`);
  });

  it.runIf(isMost)('stop, start and restart are read back; a failure of one of several is exit 12 (long)', async () => {
    expect(await act('stop', 'web', 'jupyter')).toMatchObject([{ result: 'done', pid: null }]);
    expect((await home.run(['service', 'status', '-', 'jupyter'])).code).toBe(8);
    const conf = join(root, 'etc', 'supervisor', 'conf.d', 'broken.conf');
    writeFileSync(conf, '[program:broken]\ncommand=/bin/false\nautostart=false\nstartretries=0\nstartsecs=300\n');
    expect(await home.json(['service', 'reload', '--dry-run'])).toMatchObject({
      dry_run: true,
      changes: [{ program: 'broken', change: 'added' }],
    });
    expect(await home.json(['service', 'reload', 'web'])).toMatchObject({ changes: [{ program: 'broken' }] });
    const several = await home.run(['service', 'restart', 'web', 'jupyter', 'broken', '--json']);
    expect(several.code, several.stderr).toBe(12);
    expect(JSON.parse(several.stdout)).toMatchObject({
      services: [
        { name: 'jupyter', result: 'done', error: null },
        { name: 'broken', result: 'failed', error: { exit: 8 } },
      ],
    });
    unlinkSync(conf);
    expect(await home.json(['service', 'reload'])).toMatchObject({ error: { exit: 2 } });
    expect((await home.run(['service', 'reload', '--yes'])).stdout).toBe('broken: removed\n');
  });

  it.runIf(isMost)(
    'env set: exact, 0600, other lines kept, FORGE_ARGS with its port, Forge restarted with it (long)',
    async () => {
      writeFileSync(join(root, 'workspace', '.env'), '# mine\nif true; then\nINNER=1\nfi\n', { mode: 0o644 });
      const nasty = 'it\'s "$(touch pwned)" `id` \\ \n~ 😀';
      const token = join(home.directory, 'token');
      expect(await home.json(['env', 'set', 'web', `T=@${token}`])).toMatchObject({
        error: { code: 'ENV_FILE', exit: 2 },
      });
      writeFileSync(token, 'tok-1234567\n');
      const pairs = ['FORGE_ARGS=--api --port 7860', `API_TOKEN=@${token}`];
      expect(await home.json(['env', 'set', 'web', `NASTY=${nasty}`, pairs[1] as string])).toMatchObject({
        changes: [
          { name: 'NASTY', change: 'added' },
          { name: 'API_TOKEN', change: 'added' },
        ],
        needs_restart: ['forge', 'jupyter', 'syncthing'],
        restarted: [],
      });
      expect(await home.json(['env', 'set', 'web', pairs[0] as string, '--restart'])).toMatchObject({
        changes: [{ name: 'FORGE_ARGS' }],
        restarted: [{ name: 'forge', result: 'done', error: null }],
      });
      expect(dotenv()).toContain('# mine\nif true; then\nINNER=1\nfi\n');
      expect(statSync(join(root, 'workspace', '.env')).mode & 0o777).toBe(0o600);
      expect(readdirSync(join(root, 'workspace')).filter((name) => /pwned|\.env\./u.test(name))).toEqual([]);
      const rows = Object.fromEntries((await variables('web')).map((row) => [row.name, row]));
      expect(rows['NASTY']?.value).toBe(nasty);
      expect(rows['FORGE_ARGS']?.value).toBe('--api --port 17860');
      expect(rows['INNER']?.value).toBe('1');
      expect(rows['API_TOKEN']).toMatchObject({ value: null, hidden: true });
      expect((await variables('web', 'API_TOKEN', '--reveal'))[0]?.value).toBe('tok-1234567');
      const byHand = await home.json(['env', 'unset', 'web', 'INNER']);
      expect(byHand).toMatchObject({ error: { code: 'ENV_BY_HAND', exit: 9 } });
    },
  );

  it.runIf(isMost)(
    'two that write at the same time both have their way; in a pipe the restart is told, not done (long)',
    async () => {
      const both = await Promise.all(['ONE=1', 'TWO=2'].map((pair) => home.run(['env', 'set', 'web', pair])));
      expect(both.map(({ code }) => code)).toEqual([0, 0]);
      expect(both[0]?.stdout).toContain('forgectl service restart');
      expect(dotenv()).toMatch(/^ONE=1$/mu);
      expect(dotenv()).toMatch(/^TWO=2$/mu);
    },
  );

  it.runIf(isMost)(
    'origins: the image, the account and .env are told apart, and which of them counts (long)',
    async () => {
      const set = await home.run(['env', 'set', '--from-file', '-', '--dry-run'], { input: 'A=$(id)\n' });
      expect(set.code, 'commands are not taken from a file').toBe(2);
      await home.run(['env', 'account', 'set', 'LATER=1']);
      const rows = await variables('web', '--origin');
      const of = (name: string) => rows.filter((row) => row.name === name);
      expect(of('HF_TOKEN')).toMatchObject([{ origin: 'account', hidden: true, value: null, wins: true }]);
      expect(of('LATER')).toMatchObject([{ origin: 'account', value: null, wins: false }]);
      expect(of('FORGE_ARGS')).toMatchObject([
        { origin: 'dotenv', wins: true },
        { origin: 'etc_environment', wins: false },
      ]);
      expect(of('CONTAINER_ID')).toMatchObject([{ origin: 'etc_environment', wins: true }]);
      const refused = await home.run(['env', 'account', 'set', 'X=a secret value', '--debug', '--json']);
      expect(refused.code).toBe(2);
      expect(refused.stdout + refused.stderr).not.toContain('a secret value');
      expect(await home.json(['env', 'account', 'unset', 'LATER'])).toMatchObject({ error: { exit: 2 } });
      expect(await home.json(['env', 'account', 'unset', 'later', '--yes'])).toMatchObject({
        changes: [{ name: 'LATER', change: 'removed' }],
      });
    },
  );

  it.runIf(isMost)(
    'edit: names are shown and asked for; over a file that has changed meanwhile nothing is written, and no text lost (long)',
    async () => {
      const edited = await home.terminal(
        ['env', 'edit', 'web', '--no-restart'],
        [{ wait: '+ EDITED' }, { wait: 'Write this?' }, { send: 'y\r' }, { wait: 'EDITED: added' }],
        { EDITOR: 'f() { echo "EDITED=\'a b\'" >>"$1"; }; f' },
      );
      expect(edited.code, edited.text).toBe(0);
      expect(dotenv()).toContain("EDITED='a b'\n");
      const file = join(root, 'workspace', '.env');
      const editor = `f() { echo LOST=1 >>"$1"; echo OTHER=1 >>'${file}'; }; f`;
      const late = await home.terminal(['env', 'edit', 'web', '--no-restart', '--yes'], [], { EDITOR: editor });
      expect(late.code, late.text).toBe(9);
      const kept = /Your text is in (\S+),/u.exec(late.text)?.[1] ?? '';
      expect(readFileSync(kept, 'utf8')).toContain('LOST=1');
      expect(statSync(kept).mode & 0o777).toBe(0o600);
      expect(dotenv()).not.toContain('LOST');
      const none = await home.terminal(['env', 'edit', 'web'], [], { EDITOR: 'true' });
      expect(none.text).toContain('Nothing to change');
      rmSync(dirname(kept), { recursive: true });
    },
  );
});
