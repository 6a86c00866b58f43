import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isAll, isMost } from '../faults/chosen.ts';
import { MigrateMachines } from '../support/migrate-machines.ts';
import { hasGnuTools, makeAwkwardTree } from '../workflows/copy/support/awkward-tree.ts';

interface Clone {
  run: string;
  destination: { id: number; label: string };
  source_downtime_s: number | null;
}
interface Row {
  id: number;
  label: string;
  image_uuid: string;
  image_runtype: string;
  disk_space: number;
  extra_env: [string, string][];
  actual_status: string;
}

/** Rents, and runs long; the share of it that CI takes is the whole file. */
describe.runIf(isMost && hasGnuTools('forgectl clone'))('machines that are rented for a move (long)', () => {
  const machines = new MigrateMachines();
  const { home } = machines;
  const old = (): number => machines.ids[0] as number;
  const rows = async (): Promise<Row[]> =>
    ((await home.call('GET', '/api/v1/instances/')).body as { instances: Row[] }).instances;
  const alive = async (): Promise<number[]> => (await rows()).map(({ id }) => id).sort();
  /** Of the source, without what a move leaves out. */
  const moving = (): string[] => machines.treeOf(old()).filter((line) => !/^"(?:\/outputs)?" /u.test(line));

  beforeAll(async () => {
    await machines.start(100, ['--env', 'MY_SETTING=blue', '--env', 'HF_TOKEN=hf_of_mine', '--disk', '47']);
    makeAwkwardTree(machines.at('old', 'awkward'), { withPipe: false });
    machines.write('old', 'outputs/a.png', 'a');
  });
  afterAll(() => machines.stop());

  it('a plan of three rents nothing, and says what they cost together', async () => {
    const before = await alive();
    const words = ['clone', 'old', '--count', '3', '--cheapest', '--dry-run'];
    expect(await home.json(words)).toMatchObject({ dry_run: true, count: 3, source_afterwards: 'keep' });
    const { stdout } = await home.run(words);
    expect(stdout).toMatch(/Count +3, one after the other, .*about \$[\d.]+\/h together/u);
    expect(await alive()).toEqual(before);
  });

  it.runIf(isAll)('two clones: everything of the source but its secrets, its Forge never stopped', async () => {
    const source = moving();
    // One was chosen by hand; the others must be found without a question.
    const offers = (await home.json(['offers', '--disk', '47', '--limit', '1'])) as unknown as { id: number }[];
    const { id: offer } = offers[0] as { id: number };
    const words = ['clone', 'old', '--count', '2', '--offer', String(offer), '--label', 'copy', '--yes'];
    const { clones } = await home.json<{ clones: Clone[] }>(words);
    expect(clones?.map(({ destination: { label } }) => label)).toEqual(['copy-1', 'copy-2']);
    const all = await rows();
    const original = all.find(({ id }) => id === old()) as Row;
    const variables = ({ extra_env: env }: Row): Record<string, string> => Object.fromEntries(env);
    for (const { destination, source_downtime_s: downtime } of clones) {
      const row = all.find(({ id }) => id === destination.id) as Row;
      // The template's values without its id: by that its provisioning script would come, too.
      const launched = ({ image_uuid: image, image_runtype: runtype }: Row) => ({ image, runtype });
      expect(launched(row)).toEqual(launched(original));
      expect(row.disk_space).toBe(47);
      expect(variables(row)).toMatchObject({ MY_SETTING: 'blue' });
      expect(variables(row)).not.toHaveProperty('HF_TOKEN');
      const ports = (one: Row): string[] => one.extra_env.map(([name]) => name).filter((name) => name.startsWith('-p'));
      expect(ports(row).sort()).toEqual(ports(original).sort());
      expect(downtime).toBeNull();
      const there = new Set(machines.treeOf(destination.id));
      expect(source.filter((line) => !there.has(line))).toEqual([]);
      expect((await home.run(['wait', String(destination.id), '--for', 'forge'])).code).toBe(0);
    }
    expect(moving()).toEqual(source);
    expect(await home.json(['runs', 'ls', '--cut-off'])).toEqual([]);
    await expect.poll(() => machines.leftovers()).toEqual([]);
  });

  it('the second of three cannot be rented: exit 12, and what was made is named', async () => {
    const before = await alive();
    let failure = '';
    const words = ['clone', 'old', '--count', '3', '--cheapest', '--attempts', '1', '--yes', '--json', '--events'];
    const ended = await home.run(words, {
      onStdout: (text) => {
        if (text.includes('"stage":"drop"')) void home.call('PUT', '/sandbox/faults/', { name: 'offer-gone' });
        if (text.includes('"error"')) failure = text;
      },
    });
    await home.call('DELETE', '/sandbox/faults/');
    expect(ended.code, ended.stdout.slice(-1500) + ended.stderr).toBe(12);
    const made = (await alive()).filter((id) => !before.includes(id));
    expect(made).toHaveLength(1);
    expect(failure).toContain(`Made, proved and billed: ${made[0]}`);
    expect(failure).toContain('Clone 2 of 3 failed');
    expect(await home.json(['runs', 'ls', '--cut-off'])).toEqual([]);
    expect((await home.run(['destroy', ...made.map(String), '--yes'])).code).toBe(0);
  });

  it.runIf(isAll)(
    '--destroy-source: not when packages did not come along, nor when something was written meanwhile',
    async () => {
      const install = await home.run(['venv', 'install', 'old', 'diffusers==0.32.2', '--yes']);
      expect(install.code, install.stderr).toBe(0);
      const words = ['migrate', 'old', 'new', '--destroy-source', '--yes', '--json', '--events'];
      writeFileSync(join(machines.root('new'), 'venv', 'main', 'pip.conf'), '[global]\nno-index = true\n');
      const poor = await home.run(words);
      expect(poor.code, poor.stdout.slice(-1500)).toBe(12);
      expect(poor.stdout).toContain('"source_kept_reason":"its packages could not be installed on the destination"');
      expect(await alive()).toContain(old());
      // What the destination cannot have, the source gives up.
      const remove = await home.run(['exec', 'old', '--', 'python', '-m', 'pip', 'uninstall', '-y', 'diffusers']);
      expect(remove.code, remove.stderr).toBe(0);
      const late = await home.run(words, {
        onStdout: (text) => {
          if (/"stage_started".*"reboot"/u.test(text)) machines.write('old', 'outputs/late.png', 'drawn meanwhile');
        },
      });
      expect(late.code, late.stdout.slice(-1500)).toBe(12);
      expect(late.stdout).toContain('"source_kept_reason":"something was written there since it was compared"');
      expect(await alive()).toContain(old());
      expect((await home.run(['wait', 'old', '--for', 'forge'])).code).toBe(0);
    },
  );

  it('a terminal asks for the name of what is destroyed before it rents', async () => {
    const before = await alive();
    const words = ['migrate', 'old', '--to-new', '--cheapest', '--destroy-source'];
    const seen = await home.terminal(words, [{ wait: 'Type old to have that one destroyed' }, { send: 'y\r' }]);
    expect(seen.code, seen.text).toBe(130);
    expect(seen.text).toMatch(/old\) is DESTROYED with its data when all is proved: \$[\d.]+\/h → nothing/u);
    expect(await alive()).toEqual(before);
  });

  it('to a new machine with --destroy-source: proved, then gone, with the price before and after', async () => {
    const source = moving();
    writeFileSync(machines.at('old', 'last words'), 'x');
    const words = ['migrate', 'old', '--to-new', '--cheapest', '--label', 'heir', '--destroy-source', '--yes'];
    const said = await home.run([...words, '--json', '--verify', 'full']);
    expect(said.code, said.stdout + said.stderr).toBe(0);
    const done = JSON.parse(said.stdout) as Clone & Record<string, unknown>;
    expect(done).toMatchObject({
      source_kept_reason: null,
      source_price_per_hour_before_usd: expect.any(Number),
      source_price_per_hour_after_usd: 0,
    });
    expect(await alive()).not.toContain(old());
    const there = new Set(machines.treeOf(done.destination.id));
    expect(source.filter((line) => !there.has(line))).toEqual([]);
    expect(await home.json(['runs', 'ls', '--cut-off'])).toEqual([]);
  });
});
