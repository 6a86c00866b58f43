import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeTree, makeAwkwardTree } from '../workflows/copy/support/awkward-tree.ts';
import { LabHome } from './lab-home.ts';
import { describeLab } from './lab-suite.ts';

const MB = 1_000_000;
const DISK_BYTES = 1024 ** 3;

interface CopyDocument {
  files: number;
  bytes: number;
  mismatches: unknown[];
  problems: unknown[];
  error?: { code: string; exit: number };
}

describeLab('cp on machines of the lab: real sshd, real tar, real disks', () => {
  let home: LabHome;
  const ids: number[] = [];
  const machine = (index: number) => home.machines.of(ids[index] ?? 0);
  const at = (name: string): string => join(home.directory, 'work', name);
  const cp = (...words: string[]) => home.json<CopyDocument>(['cp', ...words]);
  const on = (index: number, command: string) => machine(index).host.exec(command);

  beforeAll(async () => {
    home = await LabHome.open({ line: { oneWayMs: 5 }, diskBytes: DISK_BYTES });
    mkdirSync(at(''), { recursive: true });
    for (const label of ['one', 'two']) {
      const ran = await home.run(['launch', '--best', '--yes', '--label', label, '--wait-for', 'ssh', '--json']);
      expect(ran.code, ran.stderr).toBe(0);
      ids.push((JSON.parse(ran.stdout) as { id: number }).id);
    }
  });
  afterAll(() => home.remove());

  it('an awkward tree is the same from here to one, to two, and back; between machines with its owners', async () => {
    makeAwkwardTree(at('tree'));
    expect(await cp(at('tree'), 'one:')).toMatchObject({ mismatches: [] });
    await on(0, 'chown -h 1001:100 /workspace/tree/absolute /workspace/tree/sub /workspace/tree/plain.txt');
    expect(await cp('one:tree', 'two:/workspace', '--links')).toMatchObject({ mismatches: [], problems: [] });
    const owners = 'cd /workspace/tree && stat -c %u:%g absolute sub plain.txt run.sh';
    expect((await on(1, owners)).stdout).toBe('1001:100\n1001:100\n1001:100\n0:0\n');
    expect(await cp('two:tree', at('back'), '--links', '--verify', 'full')).toMatchObject({ mismatches: [] });
    expect(describeTree(at('back'))).toEqual(describeTree(at('tree')));
  });

  it('a file of 3 GiB that is nearly all hole is there and back in a moment, and is still a hole', async () => {
    writeFileSync(at('sparse'), randomBytes(MB));
    truncateSync(at('sparse'), 3 * 1024 ** 3);
    expect(await cp(at('sparse'), 'one:')).toMatchObject({ files: 1, mismatches: [] });
    expect(Number((await on(0, 'stat -c %b /workspace/sparse')).stdout)).toBeLessThan(8000);
    const back = await cp('one:sparse', at('sparse back'));
    expect(back).toMatchObject({ files: 1, mismatches: [] });
    expect(back.bytes).toBeLessThan(3 * MB);
    expect(statSync(at('sparse back')).size).toBe(3 * 1024 ** 3);
    expect(statSync(at('sparse back')).blocks).toBeLessThan(8000);
  });

  it('goes on by itself when the line is cut, up and down', async () => {
    writeFileSync(at('model'), randomBytes(60 * MB));
    const hash = createHash('sha256')
      .update(readFileSync(at('model')))
      .digest('hex');
    for (const words of [
      [at('model'), 'one:'],
      ['one:model', at('model back')],
    ]) {
      let cuts = 0;
      const ran = await home.run(['cp', ...words, '--json', '--events', '--bwlimit', '30M'], {
        onStdout: (text) => {
          if (!text.includes('"progress"') || cuts === 1 || !/"bytes":[2-5]\d{7}/u.test(text)) return;
          cuts += 1;
          machine(0).line.cut();
        },
      });
      expect(ran.code, ran.stdout.slice(-500)).toBe(0);
      expect(cuts).toBe(1);
      expect(ran.stdout).toContain('"connection_lost"');
    }
    expect((await on(0, 'sha256sum </workspace/model')).stdout).toContain(hash);
    expect(
      createHash('sha256')
        .update(readFileSync(at('model back')))
        .digest('hex'),
    ).toBe(hash);
  });

  it('is refused where there is no room, and stops in order where the room runs out', async () => {
    writeFileSync(at('fits'), randomBytes(300 * MB));
    const { disk } = machine(1).host;
    await disk.fill({ leaveBytes: 100 * MB });
    const refused = await cp(at('fits'), 'two:');
    expect(refused.error).toMatchObject({ code: 'DISK_FULL', exit: 8, free_bytes: expect.any(Number) });
    // The room is there when it is asked for, and gone a moment later.
    await disk.free();
    const stopped = await home.run(['cp', at('fits'), 'two:', '--json', '--events', '--bwlimit', '20M'], {
      onStdout: (text) => {
        if (/"bytes":[5-9]\d{7}/u.test(text)) void disk.fill({ leaveBytes: 20 * MB });
      },
    });
    expect(stopped.code).toBe(8);
    expect(stopped.stdout).toContain('"DISK_FULL"');
    await disk.free();
    expect((await on(1, 'ls /workspace')).stdout).not.toContain('fits');
    const rest = await cp(at('fits'), 'two:', '--verify', 'full');
    expect(rest).toMatchObject({ files: 1, mismatches: [] });
    expect(rest.bytes).toBeLessThan(280 * MB);
  });

  it('never touches what belongs to the login', async () => {
    const before = (await on(0, 'stat -c "%a %n" / /root /root/.ssh')).stdout;
    for (const place of ['one:/root', 'one:/', 'one:~', 'one:/workspace/../root/']) {
      expect((await cp(at('tree'), place)).error, place).toMatchObject({ exit: 2 });
    }
    expect((await on(0, 'stat -c "%a %n" / /root /root/.ssh')).stdout).toBe(before);
    expect(existsSync(at('tree'))).toBe(true);
  });
});
