import { execFile } from 'node:child_process';
import { appendFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isMost } from '../faults/chosen.ts';
import { type Finished, Home } from '../support/forgectl.ts';

const RUN = fileURLToPath(new URL('../../bin/run.js', import.meta.url));
const home = new Home({ FORGECTL_SANDBOX: '1' });
let id = 0;

interface Line {
  service: string;
  time: string | null;
  text: string;
}

interface Document {
  instance: number;
  source: string;
  services: string[];
  lines: Line[];
  error?: { code: string; exit: number; hint: string };
}

function logPath(name: string): string {
  return join(home.directory, 'sandbox', 'machines', String(id), 'root/var/log/portal', `${name}.log`);
}

function logs(...words: string[]): Promise<Finished> {
  return home.run(['logs', 'diary', ...words]);
}

function logsJson(...words: string[]): Promise<Document> {
  return home.json<Document & Record<string, unknown>>(['logs', 'diary', ...words]);
}

/** Started, and asked to end when this is true of what it printed. */
function follow(words: string[], isEnough: (stdout: string) => boolean): Promise<Finished> {
  let stdout = '';
  let isAsked = false;
  return home.run(['logs', 'diary', '-f', ...words], {
    onStdout: (text, kill) => {
      stdout += text;
      if (isAsked || !isEnough(stdout)) return;
      isAsked = true;
      kill('SIGINT');
    },
  });
}

beforeAll(async () => {
  expect((await home.run(['sandbox', 'start', '--time-scale', '60'])).code).toBe(0);
  const launched = await home.json<{ id: number }>([
    'launch',
    '--best',
    '--yes',
    '--label',
    'diary',
    '--wait-for',
    'boot',
  ]);
  id = launched.id;
  expect(id, JSON.stringify(launched)).toBeGreaterThan(0);
});
afterAll(() => home.remove());

describe('what a machine has written', () => {
  it.runIf(isMost)('by name, with --list, and with what is wrong said in words (long)', async () => {
    const { logs: listed } = await home.json<{ logs: { name: string; bytes: number; changed_at: string }[] }>([
      'logs',
      '--list',
    ]);
    const names = listed.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['caddy', 'cron', 'forge', 'instance_portal', 'provisioning']));
    expect(Date.parse(listed[0]?.changed_at ?? '')).toBeGreaterThan(Date.now() - 600_000);
    const unknown = await logs('provisionning');
    expect(unknown).toMatchObject({ code: 3, stdout: '' });
    expect(unknown.stderr).toContain('Did you mean provisioning?');
    expect((await logs('forge', '--container')).code).toBe(2);
    expect((await logs('--since', 'yesterday')).code).toBe(2);
  });

  it('clean and without secrets: what looks like one, and what is known to be one', async () => {
    const rows = (await home.call('GET', '/api/v1/instances/')) as { body: { instances: { jupyter_token: string }[] } };
    const token = rows.body.instances[0]?.jupyter_token ?? '';
    expect(token.length).toBeGreaterThan(5);
    const evil = `\u001b]0;title\u0007\u001b[2J\u202e the word is ${token} and token=abc123def HF_TOKEN=hf_0123456789abcdef`;
    writeFileSync(logPath('evil'), `${evil}\n 10%\r 50%\r100%\r\n\u00ff\n`);
    appendFileSync(logPath('evil'), Buffer.from([0xff, 0xfe, 0x0a]));
    const { stdout, code } = await logs('evil');
    expect(code).toBe(0);
    expect(stdout).toBe('  the word is [redacted] and token=[redacted] HF_TOKEN=[redacted]\n100%\nÿ\n��\n');
    const { lines, source } = await logsJson('evil', '--grep', 'the word');
    expect(source).toBe('machine');
    expect(lines).toEqual([{ service: 'evil', time: null, text: expect.not.stringContaining(token) }]);
  });

  it('the last lines, since, and those that match, over a rotation', async () => {
    writeFileSync(`${logPath('diary')}.old`, 'old 1\nold 2\n');
    writeFileSync(logPath('diary'), '2026-01-31 12:00:00 one\n  continued\ntwo\n2026-01-31 13:00:00 three\nfour');
    expect((await logs('diary', '-n', '6')).stdout).toBe(
      'old 2\n2026-01-31 12:00:00 one\n  continued\ntwo\n2026-01-31 13:00:00 three\nfour\n',
    );
    const { lines } = await logsJson('diary', '--since', '2026-01-31T12:30:00Z', '--grep', 'T', '-i');
    expect(lines.map(({ text }) => text)).toEqual(
      ['old 1', 'old 2'].slice(2).concat(['two', '2026-01-31 13:00:00 three']),
    );
    expect((await logs('diary.old', '--grep', '2', '-v')).stdout).toBe('old 1\n');
  });

  it('of several: each line behind its name, in the order of time', async () => {
    writeFileSync(logPath('later'), '2026-01-31 12:30:00 between\n');
    const { stdout } = await logs('diary', 'later', '--since', '2026-01-31T11:00:00Z');
    expect(stdout.split('\n').slice(2, -1)).toEqual([
      'diary | 2026-01-31 12:00:00 one',
      'diary |   continued',
      'diary | two',
      'later | 2026-01-31 12:30:00 between',
      'diary | 2026-01-31 13:00:00 three',
      'diary | four',
    ]);
  });

  it('through a pipe whose reader leaves', async () => {
    const line = `'${process.execPath}' '${RUN}' logs diary diary -n all | head -n 1; echo "\${PIPESTATUS[0]}"`;
    const stdout = await new Promise((resolve) =>
      execFile('bash', ['-c', line], { env: home.env }, (_, out) => resolve(out)),
    );
    expect(stdout).toBe('old 1\n0\n');
  });

  it('at boot, of the container, and of the host', async () => {
    const boot = await logsJson('--boot');
    expect(boot.services).toEqual(['onstart']);
    expect(boot.lines.map(({ text }) => text)).toContain('36-sync-workspace');
    const [container, host] = [await logsJson('--container', '--grep', 'sync'), await logs('--host')];
    expect(container).toMatchObject({
      source: 'container',
      lines: [{ service: 'container', text: '36-sync-workspace' }],
    });
    expect(host.stdout).toContain(`container ${id} is running`);
  });
});

describe('following', () => {
  it.runIf(isMost)(
    '20,000 lines over rotations, cut connections and a reboot: each once, and in order (long)',
    async () => {
      const total = 20_000;
      const texts = (document: string): string[] =>
        document
          .split('\n')
          .slice(0, -1)
          .map((line) => JSON.parse(line) as { event: string; line: Line })
          .filter(({ event }) => event === 'line')
          .map(({ line }) => line.text);
      for (const name of ['numbers', 'later']) appendFileSync(logPath(name), 'first\n');
      let printed = '';
      let isOver = false;
      const following = follow(['numbers', 'later', '-n', 'all', '--json'], (stdout) => {
        printed = stdout;
        return stdout.includes(`number ${total - 1}"`);
      });
      const until = async (text: string): Promise<void> => {
        while (!printed.includes(text) && !isOver) await delay(20);
      };
      void following.then(() => {
        isOver = true;
      });
      await until('"connected"');
      for (let written = 0; written < total; written += 500) {
        const part = Array.from({ length: 500 }, (_, nth) => `number ${written + nth}\n`).join('');
        // In the middle of a line.
        appendFileSync(logPath('numbers'), part.slice(0, 5000));
        if (written % 4000 === 1000) await home.call('PUT', `/sandbox/cut-ssh/${id}/`);
        appendFileSync(logPath('numbers'), part.slice(5000));
        if (written === 10_000) expect((await home.run(['reboot', 'diary', '--yes'])).code).toBe(0);
        if (written % 4000 !== 2500) continue;
        // Between two looks there is one rotation at most, or lines are lost by right.
        await until(`number ${written - 500}"`);
        renameSync(logPath('numbers'), `${logPath('numbers')}.old`);
      }
      const { stdout, code } = await following;
      expect(code).toBe(130);
      const seen = texts(stdout).filter((text) => text.startsWith('number'));
      expect(seen.findIndex((text, nth) => text !== `number ${nth}`)).toBe(-1);
      expect(seen).toHaveLength(total);
      expect(stdout).not.toContain('"event":"gap"');
      expect(stdout).toContain('"event":"disconnected"');
    },
  );

  it('for people: names, no word more than needed, and Ctrl-C is 130', async () => {
    const watching = follow(['forge', 'later', '-n', '1'], (stdout) => stdout.includes('hello'));
    const writing = setInterval(() => appendFileSync(logPath('later'), 'hello\n'), 300);
    const { stdout, stderr, code } = await watching;
    clearInterval(writing);
    expect(code).toBe(130);
    expect(stdout).toMatch(/^forge \| /mu);
    expect(stdout).toMatch(/^later \| hello$/mu);
    expect(stderr).toBe('');
  });

  it('ends with 8 and the reason when the instance is stopped, and says what works without SSH', async () => {
    let printed = '';
    const watching = follow(['later', '-n', '1'], (stdout) => {
      printed = stdout;
      return false;
    });
    while (printed === '') await delay(20);
    expect((await home.run(['stop', 'diary', '--yes'])).code).toBe(0);
    const { stderr, code } = await watching;
    expect(code).toBe(8);
    expect(stderr).toContain('does not run');
    expect(stderr).toContain('forgectl start');
    expect(stderr).toContain(`forgectl logs ${id} --container`);
  });
});
