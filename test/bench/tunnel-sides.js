// Both ways to one service, as processes: `ssh -L` and `forgectl tunnel`, and the load that runs through them.
import { fork, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startApi } from './tunnel-machine.js';

const RUN = fileURLToPath(new URL('../../bin/run.js', import.meta.url));
const file = (name) => fileURLToPath(new URL(name, import.meta.url));

export const directory = mkdtempSync(join(tmpdir(), 'forgectl-bench-tunnel-'));
const children = [];
export const track = (child) => {
  children.push(child);
  return child;
};

export function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** Forge's own, so that what forgectl does for services of the image counts; another one when somebody has it. */
export function servicePortOf() {
  return new Promise((resolve) => {
    const server = createServer()
      .once('error', () => resolve(freePort()))
      .listen(17860, '127.0.0.1', () => server.close(() => resolve(17860)));
  });
}

export function helper(name, ...words) {
  const child = track(fork(file(name), words.map(String)));
  return new Promise((resolve) => child.once('message', () => resolve(child)));
}

export async function openSsh(userKey, sshPort, servicePort) {
  const port = await freePort();
  const { BENCH_CIPHER: cipher } = process.env;
  const options = [
    'StrictHostKeyChecking=no',
    'UserKnownHostsFile=/dev/null',
    'LogLevel=ERROR',
    'ExitOnForwardFailure=yes',
  ];
  const child = track(
    spawn('ssh', [
      ...['-N', '-F', 'none', '-i', userKey, '-p', String(sshPort), '-L', `${port}:127.0.0.1:${servicePort}`],
      ...options.flatMap((option) => ['-o', option]),
      ...(cipher === undefined ? [] : ['-c', cipher]),
      'root@127.0.0.1',
    ]),
  );
  await untilOpen(port);
  return { name: 'ssh -L', port, pid: child.pid, end: () => child.kill() };
}

export async function untilOpen(port) {
  for (let tries = 0; tries < 100; tries += 1) {
    if (await load(port, 'kept', 1).catch(() => null)) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`nothing answers on ${port}`);
}

export async function openForgectl(userKey, sshPort, servicePort) {
  const api = await startApi(() => sshPort);
  const child = track(
    spawn(process.execPath, [RUN, 'tunnel', 'bench', `0:${servicePort}`, '--ssh-key', userKey, '--json', '--events'], {
      env: {
        PATH: process.env['PATH'],
        HOME: mkdtempSync(join(directory, 'home-')),
        VAST_URL: api.url,
        FORGECTL_API_KEY: 'bench',
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    }),
  );
  let text = '';
  const port = await new Promise((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (chunk) => {
      text += chunk;
      const ready = text.split('\n').find((line) => line.startsWith('{"event":"ready"'));
      if (ready !== undefined) resolve(JSON.parse(ready).local_port);
    });
    child.once('exit', () => reject(new Error(text)));
  });
  const end = () => {
    child.removeAllListeners('exit');
    child.kill('SIGTERM');
    api.close();
  };
  return { name: 'forgectl', port, pid: child.pid, end };
}

/** Both sides wait for the load's process alike. */
export function load(port, ...words) {
  return new Promise((resolve, reject) => {
    const child = track(spawn(process.execPath, [file('tunnel-load.js'), String(port), ...words.map(String)]));
    let text = '';
    child.stdout.on('data', (chunk) => {
      text += chunk;
    });
    child.once('exit', (code) => (code === 0 ? resolve(JSON.parse(text)) : reject(new Error('the load failed'))));
  });
}

export const median = (values) => [...values].sort((one, other) => one - other)[Math.floor(values.length / 2)];

/** Everything that was started. */
export function endAll() {
  for (const child of children) child.kill();
  rmSync(directory, { recursive: true, force: true });
}
