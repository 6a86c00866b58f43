import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { isAll } from '../faults/chosen.ts';
import { drawMoments, type Moment } from '../faults/moments/draw.ts';
import { isEvery } from './chosen.ts';
import { LabHome } from './lab-home.ts';
import { describeLab } from './lab-suite.ts';

const FORGE = '/workspace/stable-diffusion-webui-forge';
const BYTES = 40_000_000;
const COUNT = Number(process.env['MIGRATE_CASES'] ?? (isAll ? 10 : 1));
const SEED = Number(process.env['MIGRATE_SEED'] ?? (isAll ? Date.now() % 1_000_000 : 1));
/** What the sandbox cannot do: a disk that is really full, and another address and other ports after a reboot. */
const FAULTS = ['disk full', 'moved'] as const;
type Case = Moment<(typeof FAULTS)[number]> & { via: 'direct' | 'relay' | 'api' };

const WAYS = ['direct', 'relay', 'api'] as const;

const cases = (isEvery ? WAYS : WAYS.slice(1)).flatMap((via): Case[] =>
  drawMoments(SEED + WAYS.indexOf(via), {
    faults: FAULTS,
    count: COUNT,
    bytes: via === 'api' ? null : BYTES,
    copyMs: via === 'api' ? 6000 : 2000,
    runMs: 6000,
  }).map((moment) => ({ ...moment, via })),
);

describeLab('a migration struck at any moment, on machines of the lab', () => {
  let home: LabHome;
  const ids: number[] = [];
  const machine = (index: number) => home.machines.of(ids[index] ?? 0);
  const on = async (index: number, command: string): Promise<string> =>
    (await machine(index).host.exec(command)).stdout.trim();
  const tree = (index: number, below = '/workspace'): Promise<string> => {
    const others = "-path '*/.venv-backups*' -o -path '*/__pycache__*' -o -path '*/.git/index'";
    const list = `find . \\( ${others} \\) -prune -o -type d -printf '%p %y %m %U:%G\\0' -o -printf '%p %y %s %m %U:%G %T@ %l %n\\0'`;
    const hashes = `find . \\( ${others} \\) -prune -o -type f -print0 | sort -z | xargs -0 sha256sum -z`;
    return on(
      index,
      `cd ${below} && { ${list} | sed -zE 's/ (d|f [0-9]+) [1-7]([0-7]{3}) / \\1 \\2 /' | sort -z; ${hashes}; } | sha256sum`,
    );
  };
  const look =
    "ls -A /var/lib/forgectl /tmp /var/lib/forgectl/jobs 2>/dev/null | grep -vxE '.*supervisor.*|jobs|upgrades'; ls -A /workspace | grep '^.forgectl'; grep 'passag[e]-' /root/.ssh/authorized_keys; ps -eo args | grep 'passag[e]-'";
  const leftovers = async (): Promise<string> =>
    (await Promise.all([0, 1].map((index) => on(index, `{ ${look}; } | grep -v ':$' | grep . || true`)))).join('');

  beforeAll(async () => {
    home = await LabHome.open({ line: { oneWayMs: 2 }, diskBytes: 2 * 1024 ** 3, movesAtReboot: true });
    for (const label of ['old', 'new']) {
      const ran = await home.run(['launch', '--best', '--yes', '--label', label, '--json']);
      expect(ran.code, ran.stderr).toBe(0);
      ids.push((JSON.parse(ran.stdout) as { id: number }).id);
    }
    process.stderr.write(`${cases.length} moments in the lab, MIGRATE_SEED=${SEED}\n`);
  });
  afterAll(() => home.remove());

  const strike = ({ fault, at, number }: Case): void => {
    if (fault === 'disk full') void machine(1).host.disk.fill({ leaveBytes: (number % 3) * 1_500_000 });
    else
      for (const index of at === 'both' ? [0, 1] : [at === 'old' ? 0 : 1])
        void home.call('PUT', `/api/v0/instances/reboot/${ids[index]}/`, {});
  };

  it.each(cases)('by $via, $number: $fault ($at) after $when, then $repair', async (one) => {
    writeFileSync(machine(0).host.path(`${FORGE}/models/large.safetensors`), randomBytes(BYTES));
    await on(1, `echo ${one.via} ${one.number} >'${FORGE}/models/of the destination'`);
    const before = [await tree(0), await tree(1)];
    let timer: NodeJS.Timeout | null = null;
    let isStruck = false;
    const words = ['migrate', 'old', 'new', '--yes', '--json', '--events', '--via', one.via, '--timeout', '9h'];
    const limit = one.via === 'api' ? [] : ['--bwlimit', '20M'];
    const ended = await home.run([...words, ...limit], {
      onStdout: (text) => {
        if (isStruck || !text.includes('"phase":"copying"')) return;
        const act = (): void => {
          isStruck = true;
          strike(one);
        };
        const moved = Math.max(-1, ...[...text.matchAll(/"bytes":(\d+)/gu)].map(([, bytes]) => Number(bytes)));
        if (one.bytes === null) timer ??= setTimeout(act, one.ms);
        else if (moved >= one.bytes) act();
      },
    });
    if (timer !== null) clearTimeout(timer);
    expect([1, 15], ended.stdout + ended.stderr).not.toContain(ended.code);
    let end: string = ended.code === 0 ? 'resume' : one.repair;
    if (ended.code !== 0) {
      // The way back must not need room; the way on does.
      if (end === 'resume') await machine(1).host.disk.free();
      let repaired = await home.run([end, '--json', ...(end === 'undo' ? ['--yes'] : [])]);
      if (repaired.stdout.includes('TOO_LATE')) {
        end = 'resume';
        await machine(1).host.disk.free();
        repaired = await home.run([end, '--json']);
      }
      expect(repaired.code, ended.stdout.slice(-800) + repaired.stdout + repaired.stderr).toBe(0);
    }
    await machine(1).host.disk.free();
    expect(await tree(0)).toBe(before[0]);
    if (end === 'undo') expect(await tree(1)).toBe(before[1]);
    else expect(await tree(1, FORGE)).toBe(await tree(0, FORGE));
    await expect.poll(leftovers).toBe('');
    expect((await home.run(['wait', 'old', 'new', '--for', 'forge', '--timeout', '9h'])).code).toBe(0);
  });
});
