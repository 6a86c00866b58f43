// npm run bench:tunnel: `ssh -L` and `forgectl tunnel` side by side, to one sshd, on loopback and 100 ms away, in turn, medians.
// BENCH_ROUNDS=5, BENCH_CIPHER=aes128-gcm@openssh.com (for ssh; its own choice when left out), BENCH_GIB=10 (its memory instead),
// BENCH_ONLY=loopback|ciphers|far|reconnect.
import { measureCiphers } from './tunnel-ciphers.js';
import { hasOpenSsh, startMachine } from './tunnel-machine.js';
import { measureMemory, residentMb } from './tunnel-memory.js';
import { measureReconnect } from './tunnel-reconnect.js';
import {
  directory,
  endAll,
  freePort,
  helper,
  load,
  median,
  openForgectl,
  openSsh,
  servicePortOf,
  track,
} from './tunnel-sides.js';

const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 5);
const GIB = Number(process.env['BENCH_GIB'] ?? 0);
const { BENCH_ONLY: ONLY } = process.env;
const MB = 1e6;

/** In turn, and the one that begins changes too. */
async function compare(title, sides, { words, key, unit, budget, isMore, rounds = ROUNDS }) {
  const values = sides.map(() => []);
  for (let round = 0; round < rounds; round += 1) {
    const order = round % 2 === 0 ? [0, 1] : [1, 0];
    for (const index of order) values[index].push((await load(sides[index].port, ...words))[key]);
  }
  const [theirs, ours] = values.map(median);
  // Of neighbours: what else the machine does changes from minute to minute.
  const ratio = median(values[0].map((value, round) => values[1][round] / value));
  const verdict = budget === null ? '' : (isMore ? ratio >= budget : ratio <= budget) ? 'within' : 'OVER';
  const shown = (value) => `${value.toFixed(isMore ? 0 : 2)} ${unit}`.padStart(11);
  const limit = budget === null ? '' : `budget ${isMore ? '>=' : '<='} ${budget.toFixed(1)}`;
  console.log(
    `${title.padEnd(38)} ssh -L ${shown(theirs)}   forgectl ${shown(ours)}   ratio ${ratio.toFixed(2)}   ${limit}  ${verdict}`,
  );
}

const speed = (what, streams, bytes, budget, rounds) => ({
  words: [what, streams, bytes],
  key: 'mb_per_s',
  unit: 'MB/s',
  isMore: true,
  budget,
  rounds,
});
const latency = (what, count, key, budget, rounds) => ({
  words: [what, count],
  key,
  unit: 'ms',
  isMore: false,
  budget,
  rounds,
});

async function both(userKey, sshPort, servicePort) {
  return [await openSsh(userKey, sshPort, servicePort), await openForgectl(userKey, sshPort, servicePort)];
}

async function onLoopback(sides) {
  console.log('\nloopback');
  // V8 translates what is used often: after a second of use it is as fast as it gets.
  for (const { port } of sides) for (const what of ['requests', 'kept']) await load(port, what, 2000);
  await compare('download, 1 stream', sides, speed('download', 1, 400 * MB, 1));
  await compare('download, 16 streams', sides, speed('download', 16, 25 * MB, 1));
  await compare('upload, 1 stream', sides, speed('upload', 1, 200 * MB, null));
  await compare('request, new connection, p50', sides, latency('requests', 1500, 'p50_ms', 1.1));
  await compare('request, new connection, p99', sides, latency('requests', 1500, 'p99_ms', null));
  await compare('request, kept connection, p50', sides, latency('kept', 3000, 'p50_ms', 1.1));
  await compare('ping-pong of 128 bytes, p50', sides, latency('pingpong', 3000, 'p50_ms', null));
  await compare('ping-pong of 128 bytes, p99', sides, latency('pingpong', 3000, 'p99_ms', null));
}

async function farAway(sides) {
  console.log('\n100 ms round trip');
  await compare('download, 1 stream', sides, speed('download', 1, 200 * MB, 4, 3));
  await compare('download, 16 streams', sides, speed('download', 16, 40 * MB, null, 3));
  await compare('request, new connection, p50', sides, latency('requests', 20, 'p50_ms', 1.1, 3));
  await compare('request, kept connection, p50', sides, latency('kept', 20, 'p50_ms', 1.1, 3));
}

async function main() {
  if (!hasOpenSsh()) throw new Error('ssh, sshd and ssh-keygen are needed');
  const [sshPort, servicePort, farPort] = [await freePort(), await servicePortOf(), await freePort()];
  const { sshd, userKey } = await startMachine(directory, sshPort);
  track(sshd);
  await helper('tunnel-service.js', servicePort);
  if (GIB > 0) return measureMemory(await openForgectl(userKey, sshPort, servicePort), GIB, load);
  console.log(
    `node ${process.version}, ${ROUNDS} rounds in turn, medians; ssh with ${process.env['BENCH_CIPHER'] ?? 'the cipher that it chooses'}`,
  );
  const parts = {
    loopback: async () => {
      const near = await both(userKey, sshPort, servicePort);
      await onLoopback(near);
      for (const { end } of near) end();
    },
    ciphers: () => measureCiphers(servicePort, ROUNDS),
    far: async () => {
      await helper('tunnel-delay.js', farPort, sshPort, 50);
      const far = await both(userKey, farPort, servicePort);
      await farAway(far);
      for (const { name, pid } of far)
        console.log(`${name}: at most ${residentMb(pid, 'VmHWM').toFixed(0)} MB resident`);
      for (const { end } of far) end();
    },
    reconnect: () => measureReconnect({ userKey, sshPort, servicePort }, ROUNDS),
  };
  for (const [name, measure] of Object.entries(parts)) if (ONLY === undefined || ONLY === name) await measure();
}

try {
  await main();
} finally {
  endAll();
}
process.exit(0);
