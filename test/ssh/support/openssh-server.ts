import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { isChecked } from '../../support/is-checked.ts';
import { closedPort } from './loopback-sshd.ts';
import { openSsh } from './openssh.ts';

const SSHD = ['/usr/sbin/sshd', '/usr/local/sbin/sshd', '/usr/libexec/sshd'].find((path) => existsSync(path)) ?? null;

/** A real OpenSSH server on loopback that lets in who runs the tests, with one key. */
export class OpenSshServer {
  readonly user = userInfo().username;
  readonly privateKey: string;
  readonly publicKey: string;
  port = 0;
  private readonly directory: string;
  private process: ChildProcess | null = null;

  private constructor() {
    this.directory = mkdtempSync(join(tmpdir(), 'forgectl-sshd-'));
    for (const name of ['host', 'user'])
      openSsh('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'test', '-f', join(this.directory, name)]);
    this.privateKey = join(this.directory, 'user');
    this.publicKey = `${this.privateKey}.pub`;
  }

  /** Null, and a line that says so, where there is none or it does not start. */
  static async start(what: string): Promise<OpenSshServer | null> {
    const server = SSHD === null ? null : new OpenSshServer();
    if (server !== null && (await server.listen())) return server;
    server?.stop();
    isChecked(false, "OpenSSH's server", what);
    return null;
  }

  stop(): void {
    this.process?.kill();
    rmSync(this.directory, { recursive: true, force: true });
  }

  private async listen(): Promise<boolean> {
    this.port = await closedPort();
    const config = join(this.directory, 'config');
    const lines = [
      `Port ${this.port}`,
      'ListenAddress 127.0.0.1',
      `HostKey ${join(this.directory, 'host')}`,
      `AuthorizedKeysFile ${this.publicKey}`,
      'StrictModes no',
      'PermitRootLogin prohibit-password',
      'UsePAM no',
      'PidFile none',
      'Subsystem sftp internal-sftp',
      'GatewayPorts clientspecified',
    ];
    writeFileSync(config, `${lines.join('\n')}\n`);
    // Debian's start script makes it; without one running, root's sshd insists on it.
    if (this.user === 'root') mkdirSync('/run/sshd', { recursive: true });
    if (spawnSync(SSHD as string, ['-t', '-f', config], { stdio: 'ignore' }).status !== 0) return false;
    this.process = spawn(SSHD as string, ['-D', '-f', config], { stdio: 'ignore' });
    for (let look = 0; look < 100 && this.process.exitCode === null; look += 1) {
      if (await answers(this.port)) return true;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return false;
  }
}

async function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('data', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
