// Moves a workspace from one machine of the lab to another, beside what people do by hand: `rsync -a` over ssh, from the
// destination, into an empty directory. At each distance, with everything between the machines on the same line:
//   npm run bench:migrate      BENCH_FILES=20000 BENCH_MIB=1024 BENCH_RTT_MS=0,100 BENCH_VIA=direct,relay BENCH_ROUNDS=3
// Two large files of BENCH_MIB each. Every round makes the same moves one after the other, and medians are compared.
// `copied` is from the first byte until all is compared: rsync -a, which is by itself when it ends, compares nothing and stops
// no Forge. `first` is the first pass alone, with its listings; `whole` has the freeze, the reboot and Forge's answer, too.
// biome-ignore-all lint/suspicious/noConsole: a bench prints
import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { LabHome } from '../lab/lab-home.ts';

const FILES = Number(process.env['BENCH_FILES'] ?? 20_000);
const MIB = Number(process.env['BENCH_MIB'] ?? 1024);
const ROUND_TRIPS_MS = (process.env['BENCH_RTT_MS'] ?? '0,100').split(',').map(Number);
const WAYS = (process.env['BENCH_VIA'] ?? 'direct,relay').split(',');
const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 3);
const RUN = fileURLToPath(new URL('../../bin/run.js', import.meta.url));
const DISK_BYTES = (FILES * 20_000 + MIB * 2 ** 20 * 2) * 3 + 2 * 1024 ** 3;

/** Sizes as in a working tree of Forge: most are a few kB, some are pictures. */
const MAKE = `
import os, sys
files, mib = int(sys.argv[1]), int(sys.argv[2])
noise = os.urandom(262144)
for index in range(files):
    below = '/workspace/bench/d%d' % (index % 200)
    os.makedirs(below, exist_ok=True)
    size = 100000 if index % 20 == 0 else 500 + index * 7919 % 8000
    at = index % 4096
    with open('%s/file %d.txt' % (below, index), 'wb') as file:
        file.write(noise[at:at + size])
for name in ('one', 'two'):
    with open('/workspace/bench/%s.safetensors' % name, 'wb') as file:
        for _ in range(mib):
            file.write(os.urandom(1 << 20))
`;

/** Python knows what an ended child has used, Node does not. */
const MEASURE = `
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
sys.stderr.write('\\nmost-mb %d\\ncpu-s %.1f\\n' % (used.ru_maxrss / 1000, used.ru_utime + used.ru_stime))
sys.exit(code)`;

interface Moved {
  firstS: number;
  copiedS: number;
  wholeS: number;
  mostMb: number;
  /** Of this computer's own process. */
  cpuS: number;
}

async function move(home: LabHome, via: string): Promise<Moved> {
  const profile = process.env['BENCH_PROFILE'];
  const node = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`];
  const words = ['-S', '-c', MEASURE, process.execPath, ...node, RUN, 'migrate', 'old', 'new', '--via', via];
  const child = spawn('python3', [...words, '--yes', '--json', '--events'], { env: home.env });
  const startedMs = performance.now();
  const at: Record<string, number> = {};
  let [said, lines] = ['', ''];
  const mark = (name: string, text: string, event: RegExp): void => {
    if (at[name] === undefined && event.test(text)) at[name] = performance.now();
  };
  child.stdout.on('data', (chunk: Buffer) => {
    const text = chunk.toString();
    lines += text;
    mark('begun', text, /"stage_done".*"freeze"/u);
    mark('first', text, /"stage_started".*"stop_forge"/u);
    mark('compared', text, /"stage_started".*"checkouts"/u);
  });
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  const code = await new Promise((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Error(`migrate ended with ${code}: ${lines.slice(-800)}${said.slice(-400)}`);
  if (process.env['BENCH_STAGES'] !== undefined) printStages(lines);
  const between = (name: string): number => ((at[name] ?? Number.NaN) - (at['begun'] ?? Number.NaN)) / 1000;
  return {
    firstS: between('first'),
    copiedS: between('compared'),
    wholeS: (performance.now() - startedMs) / 1000,
    mostMb: Number(/most-mb (\d+)/u.exec(said)?.[1] ?? 0),
    cpuS: Number(/cpu-s ([\d.]+)/u.exec(said)?.[1] ?? 0),
  };
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((one, other) => one - other)[Math.floor(numbers.length / 2)] ?? Number.NaN;
}

/** Where the time goes: BENCH_STAGES=1. */
function printStages(lines: string): void {
  for (const line of lines.split('\n').filter((text) => text.includes('"stage_'))) {
    const { event, time, title } = JSON.parse(line) as { event: string; time: string; title: string };
    console.log(`    ${time.slice(17, 23)} ${event} ${title}`);
  }
}

async function compareAt(roundTripMs: number): Promise<void> {
  const home = await LabHome.open({ line: { oneWayMs: roundTripMs / 2 }, diskBytes: DISK_BYTES });
  try {
    const machines = [];
    for (const label of ['old', 'new']) {
      const ran = await home.run(['launch', '--best', '--yes', '--label', label, '--disk', '200', '--json']);
      if (ran.code !== 0) throw new Error(ran.stderr);
      machines.push(home.machines.of((JSON.parse(ran.stdout) as { id: number }).id));
    }
    const [source, destination] = machines as [(typeof machines)[0], (typeof machines)[0]];
    await source.host.exec(`python3 -c '${MAKE.replaceAll("'", '"')}' ${FILES} ${MIB}`);
    const bytes = Number((await source.host.exec('du -sb /workspace | cut -f1')).stdout);
    console.log(`${roundTripMs} ms round trip: ${FILES} files and 2 x ${MIB} MiB, ${(bytes / 1e6).toFixed(0)} MB`);
    await destination.host.exec("ssh-keygen -q -t ed25519 -N '' -f /root/bench-key");
    const key = (await destination.host.exec('cat /root/bench-key.pub')).stdout.trim();
    await source.host.exec(`echo '${key}' >>/root/.ssh/authorized_keys`);
    const { host: address, port } = source.line;
    const ssh = `ssh -i /root/bench-key -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -p ${port}`;
    const rsync = async (): Promise<number> => {
      const startedMs = performance.now();
      const from = `root@${address}:/workspace/`;
      await destination.host.exec(`mkdir /root/by-hand && rsync -a -e '${ssh}' ${from} /root/by-hand/`);
      const tookS = (performance.now() - startedMs) / 1000;
      await destination.host.exec('rm -rf /root/by-hand');
      return tookS;
    };
    await compareWays({ home, bytes, rsync, clear: () => destination.host.exec('rm -rf /workspace/bench') });
  } finally {
    await home.remove();
    rmSync(home.directory, { recursive: true, force: true });
  }
}

interface Ways {
  home: LabHome;
  bytes: number;
  rsync: () => Promise<number>;
  clear: () => Promise<unknown>;
}

/** Round by round, so that whatever else the computer does concerns all of them. */
async function compareWays({ home, bytes, rsync, clear }: Ways): Promise<void> {
  const rsyncS: number[] = [];
  const moved = new Map<string, Moved[]>(WAYS.map((via) => [via, []]));
  for (let round = 0; round < ROUNDS; round += 1) {
    if (process.env['BENCH_RSYNC'] !== '0') rsyncS.push(await rsync());
    for (const via of WAYS) {
      const one = await move(home, via);
      moved.get(via)?.push(one);
      await clear();
      console.log(`    round ${round + 1}: rsync ${rsyncS.at(-1)?.toFixed(1)} s, ${via} ${one.copiedS.toFixed(1)} s`);
    }
  }
  const beside = median(rsyncS);
  console.log(`  rsync -a   ${beside.toFixed(1)} s, ${(bytes / 1e6 / beside).toFixed(0)} MB/s`);
  for (const [via, all] of moved) {
    const of = (field: keyof Moved): number => median(all.map((one) => one[field]));
    const ratio = (field: keyof Moved): string =>
      `${of(field).toFixed(1)} s (${(of(field) / beside).toFixed(2)} x rsync)`;
    const rest = `whole ${of('wholeS').toFixed(1)} s; ${Math.max(...all.map(({ mostMb }) => mostMb))} MB, ${of('cpuS').toFixed(1)} s CPU here`;
    console.log(`  ${via.padEnd(10)} copied ${ratio('copiedS')}, first ${ratio('firstS')}; ${rest}`);
  }
}

for (const roundTripMs of ROUND_TRIPS_MS) await compareAt(roundTripMs);
