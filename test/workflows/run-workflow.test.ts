import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { Journal } from '../../src/workflows/journal.ts';
import { runSteps, type Step, undoSteps } from '../../src/workflows/run-workflow.ts';
import { FakeClock } from '../support/fake-clock.ts';

const directories: string[] = [];

afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true });
});

function newJournal(): Journal {
  const stateDir = mkdtempSync(join(tmpdir(), 'forgectl journal '));
  directories.push(stateDir);
  return new Journal({ stateDir, context: 'test', clock: new FakeClock() });
}

/** Three steps that change a little world. One may stop short, before or after its effect. */
function stepsOn(world: Set<string>, stop: { at: string; when: 'before' | 'after' } | null): Step[] {
  return ['one', 'two', 'three'].map((id) => ({
    id,
    run: async () => {
      if (stop?.at === id && stop.when === 'before') throw new Error(`stopped before ${id}`);
      world.add(id);
      if (stop?.at === id) throw new Error(`stopped after ${id}`);
    },
    undo: async () => void world.delete(id),
  }));
}

const STOPS = ['one', 'two', 'three'].flatMap((at) =>
  (['before', 'after'] as const).map((when) => ({ at, when, title: `${when} ${at}` })),
);

describe('steps over a journal', () => {
  it.each(STOPS)('stopped $title, resuming ends as if nothing had happened', async (stop) => {
    const world = new Set<string>();
    const journal = newJournal();
    const run = await journal.begin({ kind: 'test', title: 'a test', plan: {} });
    await expect(runSteps(run, stepsOn(world, stop))).rejects.toThrow(/stopped/u);
    expect(journal.list()[0]?.steps.find(({ id }) => id === stop.at)).toMatchObject({ state: 'failed' });
    await run.leave('cut off');
    const again = journal.reopen(run.id);
    await runSteps(again, stepsOn(world, null));
    await again.end('done', 'all three');
    expect([...world]).toEqual(['one', 'two', 'three']);
    expect(journal.list()[0]?.steps.map(({ state }) => state)).toEqual(['done', 'done', 'done']);
  });

  it.each(STOPS)('stopped $title, undoing leaves nothing; also when it is done twice', async (stop) => {
    const world = new Set<string>();
    const run = await newJournal().begin({ kind: 'test', title: 'a test', plan: {} });
    await expect(runSteps(run, stepsOn(world, stop))).rejects.toThrow(/stopped/u);
    for (let times = 0; times < 2; times += 1) await undoSteps(run, stepsOn(world, null));
    expect([...world]).toEqual([]);
  });

  it('does not run a step again that is done', async () => {
    const run = await newJournal().begin({ kind: 'test', title: 'a test', plan: {} });
    let runs = 0;
    const steps: Step[] = [
      {
        id: 'once',
        run: async () => {
          runs += 1;
        },
      },
    ];
    await runSteps(run, steps);
    await runSteps(run, steps);
    expect(runs).toBe(1);
  });
});
