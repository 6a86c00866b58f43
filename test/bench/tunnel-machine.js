// A machine for the bench: a real sshd on loopback with keys of its own, and the two API routes that say where it is.
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';

const KEYGEN = 'ssh-keygen';

export function hasOpenSsh() {
  return ['/usr/sbin/sshd', 'ssh', KEYGEN].every((program) => spawnSync(program, ['-?']).error === undefined);
}

function keyPair(file) {
  spawnSync(KEYGEN, ['-q', '-t', 'ed25519', '-N', '', '-f', file]);
  return file;
}

async function untilGreeted(port) {
  for (let tries = 0; tries < 500; tries += 1) {
    const isThere = await new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1');
      socket.once('error', () => resolve(false));
      socket.once('data', () => {
        socket.destroy();
        resolve(true);
      });
    });
    if (isThere) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`no sshd on ${port}`);
}

/** Everything is a child of this process, below one directory. `more`: lines of its configuration. */
export async function startMachine(directory, sshPort, more = []) {
  const hostKey = keyPair(join(directory, 'host'));
  const userKey = keyPair(join(directory, 'user'));
  writeFileSync(join(directory, 'authorized'), readFileSync(`${userKey}.pub`));
  const config = join(directory, 'sshd_config');
  writeFileSync(
    config,
    [
      `ListenAddress 127.0.0.1:${sshPort}`,
      `HostKey ${hostKey}`,
      `AuthorizedKeysFile ${join(directory, 'authorized')}`,
      `PidFile ${join(directory, 'pid')}`,
      'StrictModes no',
      'UsePAM no',
      'PermitRootLogin yes',
      ...more,
      '',
    ].join('\n'),
  );
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true });
  const sshd = spawn('/usr/sbin/sshd', ['-D', '-e', '-f', config], { stdio: 'ignore' });
  await untilGreeted(sshPort);
  return { sshd, userKey };
}

/** Where forgectl finds it: `address()` is asked at every call. */
export async function startApi(address) {
  const server = createServer((request, response) => {
    const row = {
      id: 7,
      label: 'bench',
      actual_status: 'running',
      intended_status: 'running',
      cur_state: 'running',
      public_ipaddr: '127.0.0.1',
      ports: { '22/tcp': [{ HostIp: '0.0.0.0', HostPort: String(address()) }] },
    };
    const body = request.url.startsWith('/api/v1/')
      ? { success: true, instances: [row], total_instances: 1 }
      : { success: true, instances: row };
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}
