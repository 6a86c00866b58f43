import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Finished } from '../../support/forgectl.ts';
import { guestsOf } from '../../support/machine-processes.ts';
import { MigrateMachines } from '../../support/migrate-machines.ts';
import { makeAwkwardTree } from '../../workflows/copy/support/awkward-tree.ts';
import { isAll, isMost } from '../chosen.ts';
import { type Moment as Drawn, drawMoments } from './draw.ts';

/** What befalls a migration. `reboot` gives a machine other ports, too. */
const FAULTS = [
  'kill',
  'kill, and both machines reboot',
  'kill, and the helpers',
  'lines',
  'helpers',
  'reboot',
  'interrupt',
] as const;
/** These of the platform's copy strike in its middle, whenever that is. */
const COPY_FAULTS = ['copy-fails', 'copy-hangs'] as const;
type Moment = Drawn<(typeof FAULTS)[number] | (typeof COPY_FAULTS)[number]>;

const MODELS = 'stable-diffusion-webui-forge/models';
const BYTES = 24_000_000;
/** Of the copy: about a second and a half. */
const LIMIT = '16M';
const CASES = Number(process.env['MIGRATE_CASES'] ?? (isAll ? 50 : 1));
/** MIGRATE_SEED=… runs the same series again, MIGRATE_ONLY=7,9 these of it. */
const SEED = Number(process.env['MIGRATE_SEED'] ?? (isAll ? Date.now() % 1_000_000 : 1));
const ONLY = (process.env['MIGRATE_ONLY'] ?? '').split(',').filter(Boolean).map(Number);
/** A machine that is booting says so with one of these. */
const NOT_YET = [7, 8, 13];

/** Strikes migrations of one way at random moments, each time on whatever the case before has left. */
export function strikeSeries(via: 'direct' | 'relay' | 'api'): void {
  const moments: Moment[] = drawMoments(SEED * 3 + ['direct', 'relay', 'api'].indexOf(via), {
    faults: via === 'api' ? [...FAULTS, ...COPY_FAULTS] : FAULTS,
    count: CASES,
    bytes: via === 'api' ? null : BYTES,
    copyMs: via === 'api' ? 1200 : 2000,
    runMs: 9000,
  }).filter(({ number }) => ONLY.length === 0 || ONLY.includes(number));

  describe.runIf(isMost && process.platform === 'linux')(`a migration by ${via}, struck at any moment`, () => {
    const machines = new MigrateMachines();
    const { home } = machines;
    const tally = new Map<string, number>();

    beforeAll(async () => {
      await machines.start(100);
      makeAwkwardTree(machines.at('old', 'awkward'), { withPipe: false });
      machines.write('old', 'outputs/a.png', 'a');
      machines.write('new', 'outputs/b.png', 'b');
      machines.write('new', 'only here.txt', 'mine');
      process.stderr.write(`${via}: ${moments.length} moments, MIGRATE_SEED=${SEED}\n`);
    });
    afterAll(async () => {
      const ends = [...tally].sort().map(([end, times]) => `${times} ${end}`);
      process.stderr.write(`${via}: ${moments.length} cases: ${ends.join(', ')}\n`);
      await machines.stop();
    });

    it.each(moments)(
      '$number: $fault ($at) after $when, then $repair',
      async (moment) => {
        const before = change(machines, moment.number);
        const ended = await struck(machines, via, moment);
        if (ended.signal === null) expect([1, 15], ended.stdout + ended.stderr).not.toContain(ended.code);
        const end = ended.code === 0 ? 'resume' : await repair(machines, moment);
        const how = ended.code === 0 ? 'went on by themselves' : `${end ?? 'no run'} (${ended.signal ?? ended.code})`;
        tally.set(how, (tally.get(how) ?? 0) + 1);
        const unlike = {
          moved: notMoved(before, machines.tree('new')),
          same: differ(before.new, machines.tree('new')),
        };
        if (end === 'resume') expect(unlike.moved, ended.stdout.slice(-3000)).toEqual([]);
        else if (end === 'undo') expect(unlike.same, ended.stdout.slice(-3000)).toEqual([]);
        // No run is open: it had not begun, or it had ended.
        else expect(Math.min(unlike.moved.length, unlike.same.length)).toBe(0);
        expect(differ(before.old, machines.tree('old'))).toEqual([]);
        expect(await home.json(['runs', 'ls', '--cut-off'])).toEqual([]);
        const waited = await home.run(['wait', 'old', 'new', '--for', 'forge', '--timeout', '40m']);
        expect(waited.code, waited.stderr).toBe(0);
        await expect.poll(() => machines.leftovers()).toEqual([]);
      },
      600_000,
    );
  });
}

interface Trees {
  old: string[];
  new: string[];
}

function change(machines: MigrateMachines, number: number): Trees {
  machines.write('old', `${MODELS}/large.safetensors`, randomBytes(BYTES));
  machines.write('old', `${MODELS}/case ${number}`, `case ${number}`);
  rmSync(machines.at('old', `${MODELS}/case ${number - 1}`), { force: true });
  for (let file = 0; file < 100; file += 1)
    machines.write('old', `outputs/batch/${file}.png`, `${number} ${file}`.repeat(200));
  machines.write('new', `${MODELS}/of the destination`, `case ${number}`);
  return { old: machines.tree('old'), new: machines.tree('new') };
}

function differ(one: readonly string[], other: readonly string[]): string[] {
  const [first, second] = [new Set(one), new Set(other)];
  return [
    ...one.filter((line) => !second.has(line)).map((line) => `- ${line}`),
    ...other.filter((line) => !first.has(line)).map((line) => `+ ${line}`),
  ];
}

/** All of the source's is there; of the rest only what was there before, and nothing in Forge's own tree. */
function notMoved(before: Trees, now: readonly string[]): string[] {
  const nameOf = (line: string): string => /^"(?:[^"\\]|\\.)*"/u.exec(line)?.[0] ?? line;
  // Directories that both have get their attributes from the source, and another time.
  const isTop = (line: string): boolean => /^"(?:\/outputs)?"$/u.test(nameOf(line));
  const there = new Set(now);
  const source = new Set(before.old.map(nameOf));
  const kept = new Set(before.new);
  return [
    ...before.old.filter((line) => !isTop(line) && !there.has(line)).map((line) => `missing ${line}`),
    ...now
      .filter((line) => !source.has(nameOf(line)))
      .filter((line) => !kept.has(line) || line.startsWith('"/stable-diffusion-webui-forge'))
      .map((line) => `too many ${line}`),
  ];
}

/** Runs it, and strikes once. */
async function struck(machines: MigrateMachines, via: string, moment: Moment): Promise<Finished> {
  const { home } = machines;
  const isOfCopy = COPY_FAULTS.some((name) => name === moment.fault);
  if (isOfCopy)
    await home.call('PUT', '/sandbox/faults/', { name: moment.fault, instance_id: machines.ids[1], count: 1 });
  const words = ['migrate', 'old', 'new', '--yes', '--json', '--events', '--via', via];
  const limit = via === 'api' ? [] : ['--bwlimit', LIMIT];
  let timer: NodeJS.Timeout | null = null;
  let isStruck = false;
  const ran = home.run([...words, ...limit], {
    onStdout: (text, kill) => {
      if (isStruck || isOfCopy || !text.includes('"phase":"copying"')) return;
      const act = (): void => {
        isStruck = true;
        strike(machines, moment, kill);
      };
      const moved = Math.max(-1, ...[...text.matchAll(/"bytes":(\d+)/gu)].map(([, bytes]) => Number(bytes)));
      if (moment.bytes === null) timer ??= setTimeout(act, moment.ms);
      else if (moved >= moment.bytes) act();
    },
  });
  return ran.finally(() => {
    if (timer !== null) clearTimeout(timer);
  });
}

function strike(machines: MigrateMachines, { fault, at }: Moment, kill: (signal: NodeJS.Signals) => void): void {
  const { home } = machines;
  const which = (['old', 'new'] as const).filter((label) => at === 'both' || at === label);
  const idOf = (label: 'old' | 'new'): number => machines.ids[label === 'old' ? 0 : 1] as number;
  const endHelpers = (labels: readonly ('old' | 'new')[]): void => {
    for (const label of labels) for (const { pid } of guestsOf(machines.root(label))) endProcess(pid);
  };
  const call = (path: string, labels: readonly ('old' | 'new')[]): void => {
    for (const label of labels) void home.call('PUT', path.replace('{id}', String(idOf(label))), {});
  };
  const reboot = '/api/v0/instances/reboot/{id}/';
  if (fault.startsWith('kill')) kill('SIGKILL');
  if (fault === 'interrupt') kill('SIGINT');
  if (fault === 'lines') call('/sandbox/cut-ssh/{id}/', which);
  if (fault === 'reboot') call(reboot, which);
  if (fault === 'helpers') endHelpers(which);
  if (fault === 'kill, and the helpers') endHelpers(['old', 'new']);
  if (fault === 'kill, and both machines reboot') call(reboot, ['old', 'new']);
}

function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

/** Null when no run was left. A machine that boots just now is asked again. */
async function repair({ home }: MigrateMachines, { repair: how }: Moment): Promise<'resume' | 'undo' | null> {
  for (let tries = 1; ; tries += 1) {
    const [open] = (await home.json(['runs', 'ls', '--cut-off'])) as unknown as { id: string }[];
    if (open === undefined) return null;
    const repaired = await home.run([how, open.id, '--json', ...(how === 'undo' ? ['--yes'] : [])]);
    if (repaired.code === 0) return how;
    if (how === 'undo' && repaired.stdout.includes('TOO_LATE')) how = 'resume';
    else if (tries >= 4 || !NOT_YET.includes(repaired.code ?? 0)) throw new Error(repaired.stdout + repaired.stderr);
  }
}
