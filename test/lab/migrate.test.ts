import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeAwkwardTree } from '../workflows/copy/support/awkward-tree.ts';
import { isEvery } from './chosen.ts';
import { LabHome } from './lab-home.ts';
import { describeLab } from './lab-suite.ts';

const MB = 1_000_000;
const DISK_BYTES = 3 * 1024 ** 3;
const FORGE = '/workspace/stable-diffusion-webui-forge';
/** Without the bits that lend rights: they stay behind. */
const PLAIN = 's/ ([df] [0-9]+) [1-7]([0-7]{3}) / \\1 \\2 /';

describeLab('migrate on machines of the lab: real sshd, real supervisord, real disks', () => {
  let home: LabHome;
  const ids: number[] = [];
  const machine = (index: number) => home.machines.of(ids[index] ?? 0);
  const on = (index: number, command: string) => machine(index).host.exec(command);

  /** Everything but what migrations and Forge's start write by design. */
  const tree = async (index: number, below = '/workspace'): Promise<string> => {
    const others = "-path '*/.venv-backups*' -o -path '*/__pycache__*' -o -path '*/.git/index' -o -path '*/.hf_home*'";
    const list = `cd ${below} && find . \\( ${others} \\) -prune -o -type p -prune -o -printf '%p %y %s %m %U:%G %l %n\\n'`;
    const hashes = `find . \\( ${others} \\) -prune -o -type f -size -400M -print0 | sort -z | xargs -0 sha256sum`;
    // A directory's size is its file system's business.
    return (await on(index, `${list} | sed -E '${PLAIN}; s/ d [0-9]* / d /' | LC_ALL=C sort; ${hashes}`)).stdout;
  };
  const leftovers = async (): Promise<string> => {
    const look =
      "ls -A /var/lib/forgectl; ls -A /workspace | grep '^.forgectl'; grep 'passag[e]-' /root/.ssh/authorized_keys; ps -eo args | grep 'passag[e]-'";
    return `${(await on(0, `{ ${look}; } || true`)).stdout}${(await on(1, `{ ${look}; } || true`)).stdout}`;
  };

  beforeAll(async () => {
    home = await LabHome.open({ line: { oneWayMs: 2 }, diskBytes: DISK_BYTES });
    for (const label of ['old', 'new']) {
      const ran = await home.run(['launch', '--best', '--yes', '--label', label, '--json']);
      expect(ran.code, ran.stderr).toBe(0);
      ids.push((JSON.parse(ran.stdout) as { id: number }).id);
    }
    makeAwkwardTree(machine(0).host.path(`${FORGE}/extensions-awkward`));
    writeFileSync(machine(0).host.path(`${FORGE}/models/model.safetensors`), randomBytes(70 * MB));
    await on(0, `chown -h 1001:100 ${FORGE}/extensions-awkward/absolute ${FORGE}/extensions-awkward/sub`);
    await on(0, `truncate -s 3G ${FORGE}/models/sparse && echo mine >>${FORGE}/README.md`);
    await on(1, 'mkdir -p /workspace/outputs && echo mine >/workspace/outputs/mine.png');
  });
  afterAll(() => home.remove());

  it('a disk that fills up in the middle: an error of its own; undo, and it is as it was', async () => {
    const before = await tree(1);
    const { disk } = machine(1).host;
    const words = ['migrate', 'old', 'new', '--yes', '--json', '--events', '--via', 'direct', '--bwlimit', '30M'];
    const stopped = await home.run(words, {
      onStdout: (text) => {
        if (/"phase":"copying".*?"bytes":\d{7}/u.test(text)) void disk.fill({ leaveBytes: 8 * MB });
      },
    });
    expect(stopped.code, stopped.stdout.slice(-1000)).toBe(8);
    expect(stopped.stdout).toContain('"DISK_FULL"');
    await disk.free();
    const undone = await home.run(['undo', '--yes']);
    expect(undone.code, undone.stderr).toBe(0);
    expect(await tree(1)).toBe(before);
    expect(await leftovers()).toBe('');
  });

  it('directly: with owners, holes and odd names; the key opens nothing but the reading, and is gone', async () => {
    const source = await tree(0);
    const keys = (await on(0, 'cat /root/.ssh/authorized_keys')).stdout;
    let tried: Promise<{ stdout: string }> | null = null;
    const words = ['migrate', 'old', 'new', '--yes', '--json', '--events', '--via', 'direct', '--bwlimit', '40M'];
    const ran = await home.run([...words, '--verify', 'full'], {
      onStdout: (text) => {
        if (tried !== null || !/"phase":"copying".*?"bytes":\d{7}/u.test(text)) return;
        const { address, sshPort } = machine(0).host;
        const ssh = `ssh -n -i /var/lib/forgectl/passage-*/key -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null`;
        tried = on(1, `${ssh} -p ${sshPort} root@${address} 'touch /workspace/pwned; echo pwned' 2>/dev/null; true`);
      },
    });
    expect(ran.code, ran.stdout.slice(-1500) + ran.stderr).toBe(0);
    expect((await (tried as unknown as Promise<{ stdout: string }>)).stdout).toBe('');
    expect(await tree(0)).toBe(source);
    expect((await on(0, 'cat /root/.ssh/authorized_keys')).stdout).toBe(keys);
    expect(await tree(1, FORGE)).toBe(await tree(0, FORGE));
    expect((await on(0, `find ${FORGE} -perm /7000`)).stdout).not.toBe('');
    expect((await on(1, `find ${FORGE} -perm /7000`)).stdout).toBe('');
    expect(Number((await on(1, `stat -c %b ${FORGE}/models/sparse`)).stdout)).toBeLessThan(8000);
    expect((await on(1, 'cat /workspace/outputs/mine.png')).stdout).toBe('mine\n');
    expect(await leftovers()).toBe('');
  });

  it.runIf(isEvery)(
    'sent by the source, where nothing reaches it from outside: the same again; its key opens nothing there',
    async () => {
      await on(0, `head -c 60000000 /dev/urandom >${FORGE}/models/sent.safetensors; mkdir -p /workspace/outputs`);
      await on(0, 'for i in $(seq 300); do echo $i >"/workspace/outputs/picture $i"; done');
      const keys = (await on(1, 'cat /root/.ssh/authorized_keys')).stdout;
      // What comes in goes through the provider's proxy, as for a host behind a router.
      await machine(0).line.refuse();
      let tried: Promise<{ stdout: string }> | null = null;
      const words = ['migrate', 'old', 'new', '--yes', '--json', '--events', '--bwlimit', '40M'];
      const ran = await home.run(words, {
        onStdout: (text) => {
          if (tried !== null || !/"phase":"copying".*?"bytes":\d{7}/u.test(text)) return;
          const { address, sshPort } = machine(1).host;
          const ssh =
            'ssh -n -i /var/lib/forgectl/passage-*/key -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null';
          const to = `-p ${sshPort} root@${address}`;
          tried = on(
            0,
            `for word in 'touch /workspace/pwned; echo pwned' 12 ../x; do ${ssh} ${to} "$word" 2>/dev/null; done; true`,
          );
        },
      });
      await machine(0).line.accept();
      expect(ran.code, ran.stdout.slice(-1500) + ran.stderr).toBe(0);
      expect(ran.stdout).toMatch(/"via":"direct".*"direct_by":"source"/u);
      expect((await (tried as unknown as Promise<{ stdout: string }>)).stdout).toBe('');
      expect((await on(1, 'cat /root/.ssh/authorized_keys; ls /workspace')).stdout).toContain(keys);
      expect((await on(1, 'ls /workspace')).stdout).not.toContain('pwned');
      expect(await tree(1, FORGE)).toBe(await tree(0, FORGE));
      expect(await leftovers()).toBe('');
    },
    480_000,
  );

  it('through here, with the line cut in the middle: the same again', async () => {
    await on(0, `head -c 50000000 /dev/urandom >${FORGE}/models/second.safetensors; rm ${FORGE}/models/sparse`);
    let cuts = 0;
    const words = ['migrate', 'old', 'new', '--yes', '--json', '--events', '--via', 'relay', '--bwlimit', '40M'];
    const ran = await home.run(words, {
      onStdout: (text) => {
        if (cuts > 0 || !/"phase":"copying".*?"bytes":\d{8}/u.test(text)) return;
        cuts += 1;
        machine(1).line.cut();
      },
    });
    expect(ran.code, ran.stdout.slice(-1500) + ran.stderr).toBe(0);
    expect(cuts).toBe(1);
    expect(await tree(1, FORGE)).toBe(await tree(0, FORGE));
    expect(await leftovers()).toBe('');
  });
});
