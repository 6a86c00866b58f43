// npm run bench: what a short command costs beside bare node (CPU time, user + system), both sides in one run, in turn.
// Prints the ratios of the start-up budgets and the number of API calls of a launch. Not a test: machines are noisy.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const RUNS = Number(process.env['BENCH_RUNS'] ?? 15);
const RUN = fileURLToPath(new URL('../../bin/run.js', import.meta.url));
const home = mkdtempSync(join(tmpdir(), 'forgectl-bench-'));
const env = { PATH: process.env['PATH'], HOME: home, FORGECTL_SANDBOX_DIR: join(home, 'sandbox') };

/** CPU milliseconds of one process, from the system's own account of an ended child (Python can ask for it, Node cannot). */
function cpuMs(words) {
  const measure =
    'import resource, subprocess, sys; code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode; use = resource.getrusage(resource.RUSAGE_CHILDREN); print((use.ru_utime + use.ru_stime) * 1000); sys.exit(code)';
  const done = spawnSync('python3', ['-S', '-c', measure, process.execPath, ...words], { env, encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`${words.join(' ')} failed`);
  return Number(done.stdout);
}

function ratio(words) {
  const ratios = [];
  let ours = 0;
  let bare = 0;
  for (let run = 0; run <= RUNS; run += 1) {
    const one = cpuMs(words);
    const other = cpuMs(['-e', '0']);
    if (run === 0) continue; // warm-up
    ours += one;
    bare += other;
    ratios.push(one / other);
  }
  ratios.sort((one, other) => one - other);
  return { ours: ours / RUNS, bare: bare / RUNS, median: ratios[Math.floor(RUNS / 2)] };
}

function row(name, words, budget) {
  const { ours, bare, median } = ratio(words);
  const verdict = median <= budget ? 'within' : 'OVER';
  console.log(
    `${name.padEnd(28)} ${ours.toFixed(0).padStart(5)} ms   bare node ${bare.toFixed(0).padStart(4)} ms   median ratio ${median.toFixed(2)}   budget ${budget.toFixed(1)}  ${verdict}`,
  );
}

/** Counted by the sandbox's own log, from the launch's first call to its last. */
function launchCalls() {
  const done = spawnSync(process.execPath, [RUN, 'launch', '--best', '--yes', '--sandbox', '--json', '--debug'], {
    env,
    encoding: 'utf8',
  });
  const calls = done.stderr.split('\n').filter((line) => /^debug: (GET|POST|PUT|DELETE) /u.test(line));
  const limited = calls.filter((line) => line.includes('→ 429')).length;
  const looks = calls.filter((line) => /^debug: GET \S*\/instances\/\d+\/\?/u.test(line)).length;
  const { elapsed_s: seconds } = JSON.parse(done.stdout);
  // How often it looks depends on how long the image takes to load; a machine that is up at once is looked at once.
  console.log(
    `a launch that succeeds       ${calls.length} API calls, ${looks} of them looks at a machine that took ${Math.round(seconds)} s; ` +
      `${calls.length - looks + 1} when it is up at once, ${limited} answered 429   budget 12, 0`,
  );
  const counts = {};
  for (const line of calls) {
    const name = line.replace(/^debug: (\w+) \S*?:\d+(\/\S*?)(\?\S*)? →.*$/u, '$1 $2').replace(/\d{6,}/gu, '{id}');
    counts[name] = (counts[name] ?? 0) + 1;
  }
  for (const [name, count] of Object.entries(counts)) console.log(`  ${String(count).padStart(3)}  ${name}`);
}

/** The id of the launched machine, after a first login to it: later ones find its key pinned and its address known. */
function onlyInstance() {
  const listed = spawnSync(process.execPath, [RUN, 'ls', '--sandbox', '--json'], { env, encoding: 'utf8' });
  const [{ id }] = JSON.parse(listed.stdout);
  spawnSync(process.execPath, [RUN, 'exec', '--sandbox', String(id), '--', 'true'], { env });
  return String(id);
}

try {
  spawnSync(process.execPath, [RUN, 'sandbox', 'start', '--time-scale', '20'], { env, stdio: 'ignore' });
  console.log(`node ${process.version}, ${RUNS} runs of each side, CPU time user + system`);
  row('forgectl --version', [RUN, '--version'], 1.3);
  row('forgectl --help', [RUN, '--help'], 2.0);
  row('forgectl launch --help', [RUN, 'launch', '--help'], 2.0);
  row('forgectl ls, from loopback', [RUN, 'ls', '--sandbox', '--json'], 4.0);
  launchCalls();
  row('forgectl ssh --stdio', [RUN, 'ssh', '--stdio', '--sandbox', onlyInstance()], 4.0);
} finally {
  spawnSync(process.execPath, [RUN, 'sandbox', 'stop'], { env, stdio: 'ignore' });
  rmSync(home, { recursive: true, force: true });
}
