import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Finished } from '../support/forgectl.ts';
import { isEvery } from './chosen.ts';
import { LabHome } from './lab-home.ts';
import { describeLab } from './lab-suite.ts';

interface Line {
  service: string;
  time: string | null;
  text: string;
}

describeLab('logs of a real machine', () => {
  let home: LabHome;
  let id = 0;
  const machine = () => home.machines.of(id);

  beforeAll(async () => {
    home = await LabHome.open({ line: { oneWayMs: 2 } });
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

  /** Follows until a text was printed; `printed` is what there is so far. */
  function follow(words: string[], end: string): { printed: () => string; ended: Promise<Finished> } {
    let stdout = '';
    let isAsked = false;
    const ended = home.run(['logs', 'diary', '-f', '--json', ...words], {
      onStdout: (text, kill) => {
        stdout += text;
        if (isAsked || !stdout.slice(-text.length - end.length).includes(end)) return;
        isAsked = true;
        kill('SIGINT');
      },
    });
    return { printed: () => stdout, ended };
  }

  const events = ({ stdout }: Finished): { event: string; line: Line }[] =>
    stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
  const numbersOf = (finished: Finished): string[] =>
    events(finished)
      .filter(({ event, line }) => event === 'line' && line.text.startsWith('number '))
      .map(({ line }) => line.text.replace(/ +\|$/u, ''));

  async function until(isTrue: () => boolean): Promise<void> {
    for (let look = 0; look < 1500 && !isTrue(); look += 1) await delay(20);
    expect(isTrue()).toBe(true);
  }

  function expectNumbers(texts: readonly string[], to: number): void {
    const at = texts.findIndex((text, nth) => text !== `number ${nth}`);
    expect(at === -1 ? [] : texts.slice(Math.max(0, at - 2), at + 4)).toEqual([]);
    expect(texts).toHaveLength(to);
  }

  it('finds them, at their real places, and what the services wrote', async () => {
    const { logs } = await home.json<{ logs: { name: string; path: string }[] }>(['logs', '--list']);
    expect(logs).toEqual(
      expect.arrayContaining([expect.objectContaining({ name: 'forge', path: '/var/log/portal/forge.log' })]),
    );
    const shown = await home.run(['logs', 'diary', 'cron', 'caddy', '-n', '5']);
    expect(shown.stdout).toMatch(/^cron {2}\| cron runs$/mu);
    const container = await home.json<{ lines: Line[] }>(['logs', 'diary', '--container', '--grep', 'cron runs']);
    expect(container.lines).toHaveLength(1);
  });

  it('goes over a restart of the service by the real supervisor', async () => {
    const { printed, ended } = follow(['cron', '-n', '1'], '"the end"');
    await until(() => printed().includes('cron runs'));
    await machine().host.exec('echo before >>/var/log/portal/cron.log; supervisorctl restart cron; sleep 1');
    await machine().host.exec('echo "the end" >>/var/log/portal/cron.log');
    const texts = events(await ended)
      .filter(({ event }) => event === 'line')
      .map(({ line }) => line.text);
    expect(texts).toEqual(['cron runs', 'before', 'cron runs', 'the end']);
  });

  it('a log that log-tee trims again and again while it is read, over a line that breaks: each line once', async () => {
    const total = isEvery ? 120_000 : 60_000;
    await machine().host.exec('echo first >/var/log/portal/numbers.log');
    const { printed, ended } = follow(['numbers', '-n', 'all'], `number ${total - 1} `);
    await until(() => printed().includes('"connected"'));
    machine().line?.endAfter(300_000, 'down', 'reset');
    // 100 bytes a line: 12 MB, trimmed twice; or half of it, trimmed once. Of a log that is trimmed the last 1 MB is kept, so a reader who is further
    // behind than that loses lines by right: two parts are less.
    const { host } = machine();
    await host.exec(
      'mkfifo /tmp/in; (log-tee /var/log/portal/numbers.log </tmp/in >/dev/null 2>&1 &); (sleep 300 >/tmp/in 2>/dev/null &)',
    );
    const part = 4000;
    for (let from = 0; from < total; from += part) {
      await host.exec(`python3 -c "for nth in range(${from}, ${from + part}): print('number %-91d|' % nth)" >/tmp/in`);
      if (from > 0)
        await until(() =>
          printed()
            .slice(-3_000_000)
            .includes(`number ${from - 1} `),
        );
    }
    const finished = await ended;
    expect(finished.code).toBe(130);
    expectNumbers(numbersOf(finished), total);
    expect(finished.stdout).toContain('"event":"disconnected"');
    expect(finished.stdout).not.toContain('"event":"gap"');
  });

  it('over a reboot, a moved log and a line that breaks', async () => {
    const total = 3000;
    await machine().host.exec('echo first >/var/log/portal/steady.log');
    const { printed, ended } = follow(['steady', '-n', 'all'], `number ${total - 1}"`);
    await until(() => printed().includes('"connected"'));
    const write = (from: number, to: number) =>
      machine().host.exec(
        `for nth in $(seq ${from} ${to - 1}); do echo "number $nth"; done >>/var/log/portal/steady.log`,
      );
    await write(0, 1000);
    expect((await home.run(['reboot', 'diary', '--yes'])).code).toBe(0);
    await write(1000, 2000);
    await machine().host.exec('mv /var/log/portal/steady.log /var/log/portal/steady.log.old');
    await write(2000, 2500);
    machine().line?.cut();
    await write(2500, total);
    const finished = await ended;
    expect(finished.code).toBe(130);
    expectNumbers(numbersOf(finished), total);
    expect(finished.stdout).not.toContain('"event":"gap"');
  });
});
