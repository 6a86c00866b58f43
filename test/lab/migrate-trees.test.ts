import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeAwkwardTree } from '../workflows/copy/support/awkward-tree.ts';
import { isEvery } from './chosen.ts';
import { LabHome } from './lab-home.ts';
import { describeLab } from './lab-suite.ts';

const FORGE = '/workspace/stable-diffusion-webui-forge';
/** CI has twenty minutes. */
const FILES = isEvery ? 100_000 : 10_000;

describeLab('migrate: trees that break tools (long)', () => {
  let home: LabHome;
  const ids: number[] = [];
  const host = (index: number) => home.machines.of(ids[index] ?? 0).host;
  const on = (index: number, command: string) => host(index).exec(command);

  /** A hash of every name, type, size, mode, owner, time, link and content, but for what is written by design. */
  const tree = async (index: number, below: string): Promise<string> => {
    const others = "-path '*/.venv-backups*' -o -path '*/__pycache__*' -o -path '*/.git/index'";
    const list = `find . \\( ${others} \\) -prune -o -type d -printf '%p %y %m %U:%G\\0' -o ! -type p -printf '%p %y %s %m %U:%G %T@ %l %n\\0'`;
    const hashes = `find . \\( ${others} \\) -prune -o -type f -size -400M -print0 | sort -z | xargs -0 sha256sum -z`;
    const { stdout } = await on(
      index,
      `cd ${below} && { ${list} | sed -zE 's/ (d|f [0-9]+) [1-7]([0-7]{3}) / \\1 \\2 /' | sort -z; ${hashes}; } | sha256sum`,
    );
    return stdout.trim();
  };
  const expectTidy = async (): Promise<void> => {
    const look =
      "ls -A /var/lib/forgectl /tmp /var/lib/forgectl/jobs 2>/dev/null | grep -vxE '.*supervisor.*|jobs|upgrades'; ls -A /workspace | grep '^.forgectl'; ps -eo args | grep 'passag[e]-'";
    for (const index of [0, 1])
      expect((await on(index, `{ ${look}; } | grep -v ':$' | grep . || true`)).stdout).toBe('');
  };
  /** Peak of what the process had in memory, bytes. */
  const measured = async (words: string[], options: Parameters<LabHome['run']>[1] = {}) => {
    let peak = 0;
    let pid = 0;
    const look = (): void => {
      try {
        const kb = /VmHWM:\s+(\d+)/u.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
        peak = Math.max(peak, Number(kb ?? 0) * 1024);
      } catch {
        // It has ended.
      }
    };
    const timer = setInterval(look, 200);
    const begunMs = Date.now();
    const ran = await home.run(words, { ...options, onStart: (number) => (pid = number) });
    clearInterval(timer);
    return { ...ran, peakMb: Math.round(peak / 1e6), seconds: Math.round((Date.now() - begunMs) / 1000) };
  };

  beforeAll(async () => {
    home = await LabHome.open({ line: { oneWayMs: 1 }, diskBytes: 6 * 1024 ** 3 });
    for (const label of ['old', 'new']) {
      const ran = await home.run(['launch', '--best', '--yes', '--label', label, '--json']);
      expect(ran.code, ran.stderr).toBe(0);
      ids.push((JSON.parse(ran.stdout) as { id: number }).id);
    }
    makeAwkwardTree(host(0).path(`${FORGE}/outputs-awkward`));
    await on(0, `chown -h 1001:100 ${FORGE}/outputs-awkward/absolute ${FORGE}/outputs-awkward/sub`);
    await on(0, `truncate -s 3G ${FORGE}/models/sparse`);
    await on(
      0,
      `python3 - <<'END'
import os
for number in range(${FILES}):
    folder = '${FORGE}/models/many/%03d' % (number % 250)
    if number < 250: os.makedirs(folder)
    with open('%s/%d.txt' % (folder, number), 'w') as file: file.write('file %d\\n' % number)
END`,
    );
    // An extension as people have them: a repository in the repository, with edits and files of its own.
    await on(
      0,
      `mkdir -p ${FORGE}/extensions/mine && cd ${FORGE}/extensions/mine && git init -q . && echo one >a.py && git add . && git -c user.name=a -c user.email=a@b commit -qm first && echo two >>a.py && echo new >b.py`,
    );
  });
  afterAll(() => home.remove());

  it.each(isEvery ? (['direct', 'relay'] as const) : (['relay'] as const))(
    'a hundred thousand small files, 3 GiB of holes, odd names, another owner, an extension: by %s',
    async (via) => {
      const before = await tree(0, '/workspace');
      const words = ['migrate', 'old', 'new', '--yes', '--json', '--via', via, '--verify', 'full', '--timeout', '9h'];
      const ran = await measured(words);
      expect(ran.code, ran.stdout.slice(-1500) + ran.stderr).toBe(0);
      process.stderr.write(`${FILES} files by ${via}: ${ran.seconds} s, ${ran.peakMb} MB at most\n`);
      expect(await tree(0, '/workspace')).toBe(before);
      expect(await tree(1, FORGE)).toBe(await tree(0, FORGE));
      expect(Number((await on(1, `stat -c %b ${FORGE}/models/sparse`)).stdout)).toBeLessThan(8000);
      expect((await on(1, `git -C ${FORGE}/extensions/mine status --porcelain`)).stdout).toBe(' M a.py\n?? b.py\n');
      expect(ran.peakMb).toBeLessThan(600);
      await expectTidy();
    },
    900_000,
  );

  /** Files that grow, shrink, come and go, in a loop of its own. */
  const writer = `cd ${FORGE}/models && n=0; while [ -e /workspace/.go ]; do n=$((n+1)); echo "line $n" >>growing.log; head -c $((n % 5000 * 100)) /dev/zero >changing.bin; echo x >"come-$n"; rm -f "come-$((n-3))"; sleep 0.01; done`;
  const begin = (): Promise<unknown> => on(0, `touch /workspace/.go; (setsid bash -c '${writer}' >/dev/null 2>&1 &)`);

  it.each(isEvery ? (['direct', 'relay'] as const) : (['direct'] as const))(
    'files that grow, change and vanish while they are read, until Forge is stopped: by %s',
    async (via) => {
      await on(0, `rm -rf ${FORGE}/models/many`);
      await begin();
      const words = ['migrate', 'old', 'new', '--yes', '--json', '--events', '--via', via, '--timeout', '9h'];
      let ended: Promise<unknown> | null = null;
      const ran = await measured(words, {
        onStdout: (text) => {
          if (/"stage_started".*"stop_forge"/u.test(text)) ended ??= on(0, 'rm -f /workspace/.go');
        },
      });
      expect(ran.code, ran.stdout.slice(-1500) + ran.stderr).toBe(0);
      expect(ended).not.toBeNull();
      expect(await tree(1, FORGE)).toBe(await tree(0, FORGE));
      await expectTidy();
    },
  );

  it('a source that never comes to rest: said, and the destination is as it was', async () => {
    const before = await tree(1, '/workspace');
    await begin();
    const ran = await home.run(['migrate', 'old', 'new', '--yes', '--json', '--via', 'direct', '--timeout', '9h']);
    expect(ran.code, ran.stdout).toBe(12);
    expect(JSON.parse(ran.stdout)).toMatchObject({
      error: { code: expect.stringMatching(/SOURCE_CHANGES|COPY_DIFFERS/u) },
    });
    expect((await home.run(['undo', '--yes'])).code).toBe(0);
    await on(0, 'rm -f /workspace/.go');
    expect(await tree(1, '/workspace')).toBe(before);
    await expectTidy();
  });
});
