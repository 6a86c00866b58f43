// One download through `forgectl tunnel` and `ssh -L` with each cipher, which the sshd of its own leaves as the only one.
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { startMachine } from './tunnel-machine.js';
import { directory, freePort, load, median, openForgectl, openSsh, track } from './tunnel-sides.js';

const CIPHERS = ['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com', 'chacha20-poly1305@openssh.com', 'aes128-ctr'];
const BYTES = 200e6;

/** CPU time of a process so far, ms: it tells a cipher's cost on a busy machine too. */
function cpuMs(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

async function openWith(cipher, servicePort) {
  const home = join(directory, cipher);
  mkdirSync(home);
  const sshPort = await freePort();
  const { sshd, userKey } = await startMachine(home, sshPort, [`Ciphers ${cipher}`]);
  track(sshd);
  const sides = [await openSsh(userKey, sshPort, servicePort), await openForgectl(userKey, sshPort, servicePort)];
  return { cipher, sides: sides.map((side) => ({ ...side, speeds: [], costs: [] })) };
}

export async function measureCiphers(servicePort, rounds) {
  console.log('\nciphers, download, 1 stream, loopback');
  const all = [];
  for (const cipher of CIPHERS) all.push(await openWith(cipher, servicePort));
  for (const { sides } of all) for (const { port } of sides) await load(port, 'download', 1, BYTES);
  for (let round = 0; round < rounds; round += 1) {
    for (const { sides } of round % 2 === 0 ? all : [...all].reverse()) {
      for (const { port, pid, speeds, costs } of sides) {
        const before = cpuMs(pid);
        speeds.push((await load(port, 'download', 1, BYTES)).mb_per_s);
        costs.push((cpuMs(pid) - before) / (BYTES / 1e9));
      }
    }
  }
  for (const { cipher, sides } of all) {
    const [theirs, ours] = sides.map(
      ({ name, speeds, costs }) =>
        `${name} ${median(speeds).toFixed(0).padStart(4)} MB/s ${median(costs).toFixed(0).padStart(5)} ms CPU/GB`,
    );
    console.log(`${cipher.padEnd(38)} ${theirs}   ${ours}`);
    for (const { end } of sides) end();
  }
}
