import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UpgradeMachine } from '../support/upgrade-machine.ts';
import { isMost, shareOf } from './chosen.ts';

const preload = (name: string): string => `--import=${fileURLToPath(new URL(name, import.meta.url))}`;

/** An upgrade writes its journal this often; each write is a moment to be struck at. */
const WRITES = Array.from({ length: 18 }, (_, at) => at + 1);
const CASES = WRITES.flatMap((number) =>
  (['killed', 'cut off'] as const).flatMap((strike) =>
    (['undo', 'resume'] as const).map((repair) => ({ number, strike, repair })),
  ),
);

describe.runIf(isMost)('an upgrade that is stopped at any moment, and gone on with or taken back later', () => {
  const machine = new UpgradeMachine();
  const { home } = machine;
  const cutOff = async () => (await home.json(['runs', 'ls', '--cut-off'])) as unknown as { id: string }[];
  /** To the tip from where the image is, and back from there: a way back is an upgrade like any other. */
  const nextWay = () =>
    machine.git('rev-parse', 'HEAD') === machine.imageSha
      ? { words: ['upgrade', 'web', '--yes'], sha: machine.mainSha, gradio: 'gradio-4.44.1.dist-info' }
      : { words: ['upgrade', 'web', '--rollback', '--yes'], sha: machine.imageSha, gradio: 'gradio-4.40.0.dist-info' };
  const forgeAnswers = async () => expect((await home.run(['wait', 'web', '--for', 'forge'])).code).toBe(0);

  beforeAll(async () => {
    await machine.start(60);
    appendFileSync(join(machine.tree, 'README.md'), 'my own line\n');
  });
  afterAll(() => machine.stop());

  it('a connection that is cut after each step is made again, and the command ends as it should', async () => {
    const way = nextWay();
    const ran = await home.run([...way.words, '--json'], {
      env: { NODE_OPTIONS: preload('./cut-at-journal-write.mjs'), CUT_AT_JOURNAL_WRITE: 'every' },
    });
    expect(ran.code, ran.stdout + ran.stderr).toBe(0);
    expect(machine.git('rev-parse', 'HEAD')).toBe(way.sha);
    expect(machine.packages()).toContain(way.gradio);
  });

  it.each(shareOf(CASES, 21))('$strike at journal write $number, then $repair', async ({ number, strike, repair }) => {
    const before = machine.state();
    const way = nextWay();
    const when = `${number % 2 === 0 ? 'before' : 'after'}:${number}`;
    const env =
      strike === 'killed'
        ? { NODE_OPTIONS: preload('./kill-at-journal-write.mjs'), KILL_AT_JOURNAL_WRITE: when }
        : { NODE_OPTIONS: preload('./cut-at-journal-write.mjs'), CUT_AT_JOURNAL_WRITE: String(number) };
    const struck = await home.run([...way.words, '--json'], { env });
    const [open] = await cutOff();
    if (open === undefined) {
      // Before the first step nothing is begun, and after the last one nothing is left.
      const isDone = struck.code === 0;
      expect([0, null, 130], struck.stdout + struck.stderr).toContain(struck.code);
      if (isDone) expect(machine.git('rev-parse', 'HEAD')).toBe(way.sha);
      else expect(machine.state()).toEqual(before);
      return;
    }
    const repaired = await home.run([repair, open.id, '--json', ...(repair === 'undo' ? ['--yes'] : [])]);
    expect(repaired.code, repaired.stdout + repaired.stderr).toBe(0);
    if (repair === 'undo') expect(machine.state()).toEqual(before);
    else {
      expect(machine.git('rev-parse', 'HEAD')).toBe(way.sha);
      expect(machine.read('README.md')).toContain('my own line');
      expect(machine.packages()).toContain(way.gradio);
      expect(machine.packages().filter((name) => name.startsWith('gradio'))).toHaveLength(1);
    }
    await forgeAnswers();
    expect(machine.isLocked()).toBe(false);
    expect(await cutOff()).toEqual([]);
  });
});
