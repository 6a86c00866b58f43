// `forgectl cp` beside scp -r and rsync -a, to and from one sshd, on loopback and at a distance:
//   npm run bench:copy      BENCH_FILES=20000 BENCH_MIB=1024 BENCH_RTT_MS=0,100 BENCH_TOOLS=forgectl,scp,rsync
// Every copy goes to a new place. Rates are payload; CPU seconds are the client's own.
// biome-ignore-all lint/suspicious/noConsole: a bench prints
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DelayProxy } from '../lab/delay-proxy.ts';

const FILES = Number(process.env['BENCH_FILES'] ?? 20_000);
const MIB = Number(process.env['BENCH_MIB'] ?? 1024);
const ROUND_TRIPS_MS = (process.env['BENCH_RTT_MS'] ?? '0,100').split(',').map(Number);
const TOOLS = (process.env['BENCH_TOOLS'] ?? 'forgectl,scp,rsync').split(',');
const RUN = fileURLToPath(new URL('../../bin/run.js', import.meta.url));
const top = mkdtempSync(join(tmpdir(), 'forgectl-bench-copy-'));

interface Payload {
  path: string;
  bytes: number;
}

/** Sizes as in a working tree of Forge: most are a few kB, some are pictures. */
function makeSmall(path: string): Payload {
  const noise = randomFillSync(Buffer.alloc(256 * 1024));
  let bytes = 0;
  for (let index = 0; index < FILES; index += 1) {
    const below = join(path, `d${index % 200}`);
    if (index < 200) mkdirSync(below, { recursive: true });
    const size = index % 20 === 0 ? 100_000 : 500 + ((index * 7919) % 8000);
    writeFileSync(join(below, `file ${index}.txt`), noise.subarray(index % 4096, (index % 4096) + size));
    bytes += size;
  }
  return { path, bytes };
}

function makeLarge(path: string): Payload {
  mkdirSync(path, { recursive: true });
  const file = openSync(join(path, 'model.safetensors'), 'w');
  const noise = Buffer.alloc(1024 * 1024);
  for (let index = 0; index < MIB; index += 1) writeSync(file, randomFillSync(noise));
  closeSync(file);
  return { path, bytes: MIB * noise.length };
}

interface Ran {
  seconds: number;
  cpuSeconds: number;
  mostMb: number;
  isDone: boolean;
}

/** Python knows what an ended child has used, Node does not. */
const MEASURE = `
import os, resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
use = resource.getrusage(resource.RUSAGE_CHILDREN)
print(use.ru_utime + use.ru_stime, use.ru_maxrss / 1000)
sys.exit(code)`;

async function run(words: string[], env: NodeJS.ProcessEnv): Promise<Ran> {
  const startedMs = performance.now();
  const child = spawn('python3', ['-S', '-c', MEASURE, ...words], { stdio: ['ignore', 'pipe', 'pipe'], env });
  let said = '';
  let measured = '';
  child.stderr.on('data', (text) => {
    said += text;
  });
  child.stdout.on('data', (text) => {
    measured += text;
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  if (code !== 0) console.log(`${words.slice(0, 3).join(' ')} failed (${code}): ${said.slice(-300)}`);
  const [cpuSeconds = 0, mostMb = 0] = measured.trim().split(' ').map(Number);
  return { seconds: (performance.now() - startedMs) / 1000, cpuSeconds, mostMb, isDone: code === 0 };
}

interface Machine {
  port: number;
  userKey: string;
  sshd: ChildProcess;
}

async function startMachine(directory: string): Promise<Machine> {
  mkdirSync(directory);
  const key = (name: string): string => {
    const file = join(directory, name);
    spawnSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', file]);
    return file;
  };
  const userKey = key('user');
  const port = await freePort();
  const authorized = join(directory, 'authorized');
  writeFileSync(authorized, readFileSync(`${userKey}.pub`));
  const config = join(directory, 'sshd_config');
  const lines = [`ListenAddress 127.0.0.1:${port}`, `HostKey ${key('host')}`, `AuthorizedKeysFile ${authorized}`];
  lines.push(`PidFile ${join(directory, 'pid')}`, 'StrictModes no', 'UsePAM no', 'PermitRootLogin yes');
  writeFileSync(config, [...lines, 'Subsystem sftp internal-sftp', ''].join('\n'));
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true });
  const sshd = spawn('/usr/sbin/sshd', ['-D', '-e', '-f', config], { stdio: 'ignore' });
  await untilOpen(port);
  return { port, userKey, sshd };
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

async function untilOpen(port: number): Promise<void> {
  for (let tries = 0; tries < 100; tries += 1) {
    const isOpen = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1');
      socket.once('error', () => resolve(false));
      socket.once('connect', () => {
        socket.destroy();
        resolve(true);
      });
    });
    if (isOpen) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error('sshd did not start');
}

/** The two API routes that say where the machine is. */
async function startApi(port: number): Promise<{ url: string; close(): void }> {
  const row = {
    id: 7,
    label: 'bench',
    actual_status: 'running',
    intended_status: 'running',
    cur_state: 'running',
    public_ipaddr: '127.0.0.1',
    ports: { '22/tcp': [{ HostIp: '0.0.0.0', HostPort: String(port) }] },
  };
  const server = createServer((request, response) => {
    const isList = request.url?.startsWith('/api/v1/');
    const body = isList ? { success: true, instances: [row], total_instances: 1 } : { success: true, instances: row };
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => server.close() };
}

const SILENT = ['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'LogLevel=ERROR'];

/** The words of each tool for one copy; `way` says which of the two places is on the machine. */
function wordsOf(tool: string, machine: Machine, [from, to]: [string, string]): string[] {
  const login = ['-i', machine.userKey, ...SILENT.flatMap((option) => ['-o', option])];
  if (tool === 'scp') return ['scp', '-q', '-r', '-p', '-P', String(machine.port), ...login, from, to];
  if (tool === 'rsync') return ['rsync', '-a', '-e', `ssh -p ${machine.port} ${login.join(' ')}`, from, to];
  return [process.execPath, RUN, 'cp', from, to, '--ssh-key', machine.userKey, '-q'];
}

async function compareTools(roundTripMs: number, sets: Record<string, Payload>): Promise<void> {
  const machine = await startMachine(join(top, `machine-${roundTripMs}`));
  const line = await DelayProxy.open({ host: '127.0.0.1', port: machine.port, oneWayMs: roundTripMs / 2 });
  const reached = roundTripMs === 0 ? machine : { ...machine, port: line.port };
  const api = await startApi(reached.port);
  const home = mkdtempSync(join(top, 'home-'));
  const env = { PATH: process.env['PATH'], HOME: home, FORGECTL_API_KEY: 'bench' };
  await run([process.execPath, RUN, 'context', 'add', 'bench', '--api-url', api.url], env);
  try {
    for (const [what, payload] of Object.entries(sets)) {
      for (const way of ['up', 'down']) {
        const ran: Record<string, Ran> = {};
        for (const tool of TOOLS) {
          if (spawnSync('sh', ['-c', `command -v ${tool === 'forgectl' ? 'node' : tool}`]).status !== 0) continue;
          const copy = join(top, `copy-${tool}`);
          const there = tool === 'forgectl' ? ':' : 'root@127.0.0.1:';
          const ends: [string, string] = way === 'up' ? [payload.path, there + copy] : [there + payload.path, copy];
          ran[tool] = await run(wordsOf(tool, reached, ends), { ...env, FORGECTL_CONTEXT: 'bench' });
          rmSync(copy, { recursive: true, force: true });
        }
        printRow(`${roundTripMs} ms  ${what} ${way}`, payload.bytes, ran);
      }
    }
  } finally {
    machine.sshd.kill();
    api.close();
    await line.close();
  }
}

function printRow(name: string, bytes: number, ran: Record<string, Ran>): void {
  const cells = Object.entries(ran).map(([tool, { seconds, cpuSeconds, isDone }]) =>
    isDone
      ? `${tool} ${seconds.toFixed(1)} s, ${(bytes / 1e6 / seconds).toFixed(0)} MB/s, cpu ${cpuSeconds.toFixed(1)}`
      : tool,
  );
  const { forgectl, rsync } = ran;
  const ratio = forgectl && rsync ? `${(forgectl.seconds / rsync.seconds).toFixed(2)} x rsync` : '';
  const memory = forgectl ? `${forgectl.mostMb.toFixed(0)} MB` : '';
  console.log([name.padEnd(18), ...cells, ratio, memory].join('   '));
}

try {
  const sets = { large: makeLarge(join(top, 'large')), small: makeSmall(join(top, 'small')) };
  console.log(
    `large: 1 x ${MIB} MiB; small: ${FILES} files, ${(sets.small.bytes / 1e6).toFixed(0)} MB; node ${process.version}`,
  );
  for (const roundTripMs of ROUND_TRIPS_MS) await compareTools(roundTripMs, sets);
} finally {
  rmSync(top, { recursive: true, force: true });
}
