// What moving many GiB does to the memory of `forgectl tunnel`: one stream, sixteen, and up, beside a reader that has stopped.
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';

const SAMPLE_MS = 200;
const BUDGET_MB = 150;
const GIB = 2 ** 30;
const TURNS = [
  ['download', 1, GIB],
  ['download', 16, GIB / 16],
  ['upload', 1, GIB],
  ['download', 1, GIB],
];

export function residentMb(pid, field = 'VmRSS') {
  return Number(new RegExp(`${field}:\\s+(\\d+)`, 'u').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}

/** Asks for much, reads what fits into its own buffers, and no more. */
function openStoppedReader(port) {
  const socket = connect(port, '127.0.0.1', () => socket.write(`get ${GIB}\n`));
  socket.on('error', () => {});
  return socket.pause();
}

/** MB per GiB, by least squares. */
function slopeOf(samples) {
  const mean = (key) => samples.reduce((sum, sample) => sum + sample[key], 0) / samples.length;
  const [gib, mb] = [mean('gib'), mean('mb')];
  const across = samples.reduce((sum, sample) => sum + (sample.gib - gib) * (sample.mb - mb), 0);
  return across / samples.reduce((sum, sample) => sum + (sample.gib - gib) ** 2, 0);
}

/** `load(port, what, streams, bytes)` moves that much. */
export async function measureMemory({ pid, port }, gib, load) {
  console.log(`forgectl before anything: ${residentMb(pid).toFixed(0)} MB resident`);
  const stopped = openStoppedReader(port);
  const samples = [];
  let moved = 0;
  const timer = setInterval(() => samples.push({ gib: moved, mb: residentMb(pid) }), SAMPLE_MS);
  for (; moved < gib; moved += 1) {
    const [what, streams, bytes] = TURNS[moved % TURNS.length];
    const from = samples.length;
    const { mb_per_s: speed } = await load(port, what, streams, bytes);
    const peak = Math.max(...samples.slice(from).map(({ mb }) => mb));
    const title = `${moved + 1} GiB, ${what} over ${streams}`.padEnd(28);
    console.log(`${title} ${speed.toFixed(0).padStart(5)} MB/s   at most ${peak.toFixed(0)} MB resident`);
  }
  clearInterval(timer);
  stopped.destroy();
  const highest = residentMb(pid, 'VmHWM');
  // What it needs once of everything, buffers and translated code, is no growth.
  const slope = slopeOf(samples.filter((sample) => sample.gib >= TURNS.length));
  console.log(
    `highest ${highest.toFixed(0)} MB resident (budget ${BUDGET_MB}: ${highest <= BUDGET_MB ? 'within' : 'OVER'}), ` +
      `${slope >= 0 ? '+' : ''}${slope.toFixed(1)} MB per GiB after the first ${TURNS.length}`,
  );
}
