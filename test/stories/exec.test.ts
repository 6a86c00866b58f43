import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isMost } from '../faults/chosen.ts';
import { Home } from '../support/forgectl.ts';

interface ExecEntry {
  id: number;
  label: string;
  exit_code: number | null;
  signal: string | null;
  stdout: string;
  stdout_encoding: string;
  stdout_bytes: number;
  stdout_truncated: boolean;
  stderr: string;
  timed_out: boolean;
  via: string | null;
  error: { code: string; exit: number } | null;
}
type ExecDocument = { instances: ExecEntry[]; error?: { code: string; exit: number; hint: string } };

const OTHER = 'other "$(touch pwned)" \u001b[2J☃';
const home = new Home({ FORGECTL_SANDBOX: '1' });
let web = 0;
let other = 0;

const machineRoot = (id: number): string => join(home.directory, 'sandbox', 'machines', String(id), 'root');

/** What runs on the machine, by a name that only this test uses. */
const isRunning = (mark: string): boolean =>
  readdirSync('/proc').some((pid) => {
    try {
      return /^\d+$/u.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0').includes(mark);
    } catch {
      return false;
    }
  });
const untilGone = async (mark: string): Promise<void> => {
  for (let look = 0; isRunning(mark) && look < 200; look += 1) await delay(50);
  expect(isRunning(mark), `${mark} still runs`).toBe(false);
};
/** A command that sleeps under a name. */
const sleeper = (mark: string): string[] => ['bash', '-c', `echo started; exec -a ${mark} sleep 300`];

beforeAll(async () => {
  expect((await home.run(['sandbox', 'start', '--time-scale', '100'])).code).toBe(0);
  const launch = (label: string, rung: string) =>
    home.json<{ id: number }>(['launch', '--best', '--yes', '--label', label, '--wait-for', rung]);
  other = (await launch(OTHER, 'ssh')).id;
  web = (await launch('web', 'boot')).id;
});
afterAll(() => home.remove());

describe('exec on one instance', () => {
  it('has separate streams, the exact code, and runs as services run; raw as ssh runs', async () => {
    const script = 'command -v python node; echo "$FORGE_ARGS|$PWD"; echo err >&2; exit 41';
    const ran = await home.run(['exec', 'web', '--', 'bash', '-c', script]);
    expect(ran).toMatchObject({ code: 41, stderr: 'err\n' });
    const [python, node, rest] = ran.stdout.trimEnd().split('\n');
    expect(python).toBe(`${machineRoot(web)}/venv/main/bin/python`);
    expect(node).toMatch(/\/opt\/nvm\/versions\/node\/v[^/]+\/bin\/node$/u);
    expect(rest).toBe(`--port 17860|${machineRoot(web)}/workspace`);
    const raw = await home.run(['exec', 'web', '--raw', '--', 'echo "<$WORKSPACE>"; basename "$PWD"']);
    expect(raw).toMatchObject({ code: 0, stdout: '<>\nroot\n', stderr: '' });
  });

  it('words and flags after -- are the command’s, whatever they look like', async () => {
    const words = ['--json', '--help', '--sandbox=x', '--', 'a  b', "it's", '$(touch pwned)', '☃', ''];
    const { stdout } = await home.run(['exec', 'web', '--', 'printf', '%s|', ...words]);
    expect(stdout).toBe(words.map((word) => `${word}|`).join(''));
    expect(existsSync('pwned')).toBe(false);
  });

  it('carries 20 MB both ways as they are, without keeping them', async () => {
    const bytes = randomBytes(20 * 1024 * 1024);
    const child = home.start(['exec', 'web', '--', 'cat']);
    const hash = createHash('sha256');
    let peakKb = 0;
    child.stdout.on('data', (chunk: Buffer) => {
      hash.update(chunk);
      const rss = /VmHWM:\s+(\d+)/u.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1];
      peakKb = Math.max(peakKb, Number(rss ?? 0));
    });
    child.stdin.end(bytes);
    expect(await new Promise((resolve) => child.once('close', resolve))).toBe(0);
    expect(hash.digest('hex')).toBe(createHash('sha256').update(bytes).digest('hex'));
    expect(peakKb).toBeLessThan(180_000);
  });

  it('stdin need not end, and -n leaves it to others', async () => {
    const open = home.start(['exec', 'web', '--', 'head', '-c', '3']);
    let out = '';
    open.stdout.on('data', (chunk) => {
      out += chunk;
    });
    open.stdin.write('abcdef');
    expect(await new Promise((resolve) => open.once('close', resolve))).toBe(0);
    expect(out).toBe('abc');
    const loop = `printf '1\n2\n' | while read -r n; do ${home.shellWords} exec web -n -- echo "$n"; done`;
    expect(spawnSync('bash', ['-c', loop], { env: home.env, encoding: 'utf8' }).stdout).toBe('1\n2\n');
  });

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('passes %s on to the command and all that it has started', async (signal, code) => {
    const mark = `fctl-${signal.toLowerCase()}`;
    const script = `(exec -a ${mark} sleep 300) & echo started; wait`;
    const ran = await home.run(['exec', 'web', '--', 'bash', '-c', script], {
      onStdout: (text, kill) => text.includes('started') && kill(signal),
    });
    expect(ran.code).toBe(code);
    await untilGone(mark);
  });

  it('a command that makes something of Ctrl-C is left to it; a second one ends here, and says where it may go on', async () => {
    const script = 'trap "echo caught; exit 9" INT; echo started; while :; do sleep 0.05; done';
    const caught = await home.run(['exec', 'web', '--', script], {
      onStdout: (text, kill) => text.includes('started') && kill('SIGINT'),
    });
    expect(caught).toMatchObject({ code: 9, stdout: 'started\ncaught\n' });
    const heedless = 'trap "echo no" INT; echo started; while :; do sleep 0.1; echo on; done';
    const left = await home.run(['exec', 'web', '--', heedless], {
      onStdout: (text, kill) => /started|no/u.test(text) && kill('SIGINT'),
    });
    expect(left.code).toBe(130);
    expect(left.stderr).toContain(`forgectl ssh ${web}`);
  });

  it('--timeout ends the command there and here; the document has what it printed', async () => {
    const ran = await home.run(['exec', 'web', '--json', '--timeout', '0.5', '--', ...sleeper('fctl-timeout')]);
    expect(ran.code).toBe(7);
    expect(JSON.parse(ran.stdout).error).toMatchObject({
      code: 'COMMAND_TIMEOUT',
      exit: 7,
      hint: expect.stringContaining('--timeout'),
      instances: [{ stdout: 'started\n', timed_out: true }],
    });
    await untilGone('fctl-timeout');
  });

  it.runIf(isMost)('a reader that goes away ends the command there, and is no error (long)', async () => {
    const heedless = `trap '' PIPE; echo first; while sleep 0.1; do echo more 2>/dev/null; done; : fctl-pipe`;
    const script = `set -o pipefail; ${home.shellWords} exec web -- "$@" | head -n 1`;
    const words = ['-c', script, 'bash', 'bash', '-c', heedless, 'fctl-pipe'];
    const ran = spawnSync('bash', words, { env: home.env, encoding: 'utf8', timeout: 60_000 });
    expect(ran).toMatchObject({ stdout: 'first\n', stderr: '', status: 0 });
    await untilGone('fctl-pipe');
    words[1] = script.replace(' exec web ', ' exec --all ');
    const all = spawnSync('bash', words, { env: home.env, encoding: 'utf8', timeout: 60_000 });
    expect(all).toMatchObject({ stdout: expect.stringMatching(/ \| first\n$/u), stderr: '', status: 0 });
    await untilGone('fctl-pipe');
  });

  it('--json: everything in one document, bytes as base64, a signal as 128+n', async () => {
    const ran = await home.run(['exec', 'web', '--json', '--', 'printf "a\\377"; echo err >&2; kill -9 $$'], {
      input: 'x',
    });
    expect(ran.code).toBe(137);
    expect(JSON.parse(ran.stdout)).toEqual({
      instances: [
        {
          id: web,
          label: 'web',
          address: expect.stringMatching(/^127\.0\.0\.1:\d+$/u),
          via: 'direct',
          exit_code: null,
          signal: 'KILL',
          timed_out: false,
          elapsed_s: expect.any(Number),
          stdout: 'Yf8=',
          stdout_encoding: 'base64',
          stdout_bytes: 2,
          stdout_truncated: false,
          stderr: 'err\n',
          stderr_encoding: 'utf8',
          stderr_bytes: 4,
          stderr_truncated: false,
          error: null,
        },
      ],
    });
  });

  it('wrong use says what to type; stdin never names an instance', async () => {
    const noDashes = await home.run(['exec', 'web', 'ls'], { input: 'web\n' });
    expect(noDashes).toMatchObject({ code: 2, stdout: '' });
    expect(noDashes.stderr).toContain('forgectl exec web -- ls');
    const unnamed = await home.run(['exec', '--', 'ls'], { input: 'web\n' });
    expect(unnamed).toMatchObject({ code: 2, stdout: '' });
    expect(unnamed.stderr).toContain('say which one');
    const { stdout, code } = await home.run(['exec', 'web', '--dry-run', '--raw', '--', 'a b', "c'd"]);
    expect({ stdout, code }).toEqual({ code: 0, stdout: `Would run on ${web} (web):\n'a b' 'c'\\''d'\n` });
  });
});

describe('exec on several instances', () => {
  it('runs at once, gives each all of stdin, and names each line', async () => {
    const input = `${'x'.repeat(70_000)}\n`;
    const ran = await home.run(['exec', 'web', String(other), '--', 'wc -c; printf half; echo err >&2'], { input });
    expect(ran.code).toBe(0);
    const lines = ran.stdout.trimEnd().split('\n');
    expect(lines).toHaveLength(4);
    expect(lines.filter((line) => line.startsWith('web'))).toEqual([
      expect.stringMatching(/\| +70001$/u),
      expect.stringMatching(/\| half$/u),
    ]);
    // A label's escapes and quotes are harmless.
    expect(lines.filter((line) => line.startsWith('other "$(touch pwned)"'))).toHaveLength(2);
    expect(ran.stdout).not.toContain('\u001b');
    expect(ran.stderr.match(/\| err$/gmu)).toHaveLength(2);
  });

  it('one after the other they get the same stdin too; exit 12 when one fails', async () => {
    const input = `echo "$CONTAINER_ID"; [ "$CONTAINER_ID" = ${web} ] || exit 5\n`;
    const ran = await home.run(['exec', '--all', '--parallel', '1', '--', 'bash', '-s'], { input });
    expect(ran.stdout.match(/\| (\d+)$/gmu)?.sort()).toEqual([`| ${web}`, `| ${other}`].sort());
    expect(ran.stderr).toContain('exit 5.');
    expect(ran.code).toBe(12);
  });

  it.runIf(isMost)(
    'one that cannot be reached does not stop the others; its changed host key is named, with the way out (long)',
    async () => {
      const pin = join(home.directory, '.local/state/forgectl/host-keys/sandbox', String(other));
      const kept = readFileSync(pin, 'utf8');
      writeFileSync(pin, readFileSync(join(pin, '..', String(web)), 'utf8'));
      const touch = (where: string) => ['--', `touch "$FORGECTL_ROOT/${where}"; echo here`];
      const [all, one] = [
        await home.run(['exec', '--all', '--json', ...touch('all')]),
        await home.run(['exec', String(other), ...touch('one')]),
      ];
      writeFileSync(pin, kept);
      expect(all.code).toBe(12);
      const { instances } = JSON.parse(all.stdout) as ExecDocument;
      expect(instances.find(({ id }) => id === web)).toMatchObject({ stdout: 'here\n', exit_code: 0, error: null });
      expect(instances.find(({ id }) => id === other)).toMatchObject({
        exit_code: null,
        error: { code: 'SSH_HOST_KEY_CHANGED', exit: 255 },
      });
      expect(one).toMatchObject({ code: 255, stdout: '' });
      expect(one.stderr).toMatch(/SHA256:\S+ was pinned, SHA256:\S+ is shown/u);
      expect(one.stderr).toContain(`forgectl keys repair ${other} --accept-host-key`);
      expect(existsSync(join(machineRoot(other), 'one')) || existsSync(join(machineRoot(other), 'all'))).toBe(false);
    },
  );

  it('Ctrl-C reaches all of them', async () => {
    let seen = 0;
    const ran = await home.run(['exec', '--all', '--', ...sleeper('fctl-all')], {
      onStdout: (text, kill) => {
        seen += text.match(/started/gu)?.length ?? 0;
        if (seen === 2) kill('SIGINT');
      },
    });
    expect(ran.code).toBe(130);
    await untilGone('fctl-all');
  });
});

describe('the way to the machine', () => {
  it('that was accepted last time is remembered, tried first, and alone', async () => {
    const file = join(home.directory, '.local/state/forgectl/addresses/sandbox', `${web}.json`);
    const direct = JSON.parse(readFileSync(file, 'utf8'));
    expect(direct).toMatchObject({ host: '127.0.0.1', via: 'direct' });
    const { body } = await home.call('GET', `/api/v0/instances/${web}/`);
    const { instances: row } = body as { instances: { ssh_host: string; ssh_port: number } };
    const proxy = { host: row.ssh_host, port: row.ssh_port, via: 'proxy' };
    writeFileSync(file, JSON.stringify(proxy));
    const { stderr } = await home.run(['exec', 'web', '--debug', '--', 'true']);
    expect(stderr.match(/debug: ssh .*/gu)).toEqual([
      `debug: ssh proxy ${proxy.host}:${proxy.port} trying`,
      `debug: ssh proxy ${proxy.host}:${proxy.port} won`,
    ]);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(proxy);
  });

  it('of a machine that does not run is no connection, with what to type', async () => {
    await home.run(['stop', String(other), '--yes']);
    const { error } = await home.json<ExecDocument>(['exec', String(other), '--', 'true']);
    expect(error).toMatchObject({ exit: 255, hint: `forgectl start ${other}` });
  });
});
