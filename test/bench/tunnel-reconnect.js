// From a reset of the line until a request is answered again: `forgectl tunnel` beside `ssh -L` in a loop that starts it again.

import { spawn } from 'node:child_process';
import { connect, createServer } from 'node:net';
import { freePort, median, openForgectl, track, untilOpen } from './tunnel-sides.js';

const REQUEST = 'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';
const LIMIT_MS = 60_000;

/** A line to the sshd that can be reset. */
async function openLine(sshPort) {
  const open = new Set();
  const server = createServer((socket) => {
    const far = connect(sshPort, '127.0.0.1');
    for (const [from, to] of [
      [socket, far],
      [far, socket],
    ]) {
      open.add(from);
      from.setNoDelay(true);
      from
        .on('error', () => {})
        .once('close', () => {
          open.delete(from);
          to.destroy();
        });
      from.pipe(to);
    }
  });
  const port = await freePort();
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    port,
    reset: () => {
      for (const socket of [...open]) socket.resetAndDestroy();
    },
  };
}

/** What people write who have no autossh; `pause` is its sleep between two starts, s. */
async function openLoop(userKey, sshPort, servicePort, pause) {
  const port = await freePort();
  const words = [
    ...['-N', '-F', 'none', '-i', userKey, '-p', String(sshPort), '-L', `${port}:127.0.0.1:${servicePort}`],
    ...[
      'StrictHostKeyChecking=no',
      'UserKnownHostsFile=/dev/null',
      'LogLevel=QUIET',
      'ExitOnForwardFailure=yes',
    ].flatMap((option) => ['-o', option]),
    'root@127.0.0.1',
  ];
  // In a group of its own, so that its ssh ends with it.
  const child = track(
    spawn('sh', ['-c', `while :; do ssh "$@"; sleep ${pause}; done`, 'sh', ...words], {
      detached: true,
      stdio: 'ignore',
    }),
  );
  child.kill = () => process.kill(-child.pid, 'SIGKILL');
  await untilOpen(port);
  return { name: `ssh -L, again after ${pause} s`, port };
}

function answers(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(REQUEST));
    let isAnswered = false;
    socket.once('data', () => {
      isAnswered = true;
      socket.destroy();
    });
    socket.on('error', () => {});
    socket.once('close', () => resolve(isAnswered));
  });
}

async function untilAnswered(port) {
  const startedMs = performance.now();
  while (!(await answers(port))) {
    if (performance.now() - startedMs > LIMIT_MS) throw new Error(`nothing answers on ${port}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return performance.now() - startedMs;
}

export async function measureReconnect({ userKey, sshPort, servicePort }, rounds) {
  console.log('\nfrom a reset of the line to the next answer, loopback');
  const lines = [await openLine(sshPort), await openLine(sshPort), await openLine(sshPort)];
  const sides = [
    await openLoop(userKey, lines[0].port, servicePort, 1),
    await openLoop(userKey, lines[1].port, servicePort, 0),
    await openForgectl(userKey, lines[2].port, servicePort),
  ].map((side, index) => ({ ...side, line: lines[index], times: [] }));
  for (let round = 0; round <= rounds; round += 1) {
    for (const { line, port, times } of round % 2 === 0 ? sides : [...sides].reverse()) {
      await untilAnswered(port);
      line.reset();
      times.push(await untilAnswered(port));
    }
  }
  for (const { name, times } of sides)
    console.log(
      `${name.padEnd(38)} ${median(times.slice(1)).toFixed(0).padStart(5)} ms   longest ${Math.max(...times).toFixed(0)} ms`,
    );
  for (const { end } of sides) end?.();
}
