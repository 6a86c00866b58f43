import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Connection, connect } from '../../src/ssh/connection.ts';
import { HostKeys } from '../../src/ssh/host-keys.ts';
import type { Ran } from './host.ts';

export interface SshAddress {
  address: string;
  sshPort: number;
}

/** A user of OpenSSH's own programs, with a key and nothing else of this computer's. */
export class SshUser {
  private readonly directory = mkdtempSync(join(tmpdir(), 'lab-user-'));
  readonly keyFile = join(this.directory, 'id_ed25519');

  constructor() {
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'lab user', '-f', this.keyFile]);
  }

  get publicKey(): string {
    return readFileSync(`${this.keyFile}.pub`, 'utf8').trim();
  }

  /** For ssh, scp and sftp; for `rsync -e` joined behind "ssh". */
  get options(): string[] {
    const known = join(this.directory, 'known_hosts');
    const settings = [
      'BatchMode=yes',
      'StrictHostKeyChecking=accept-new',
      `UserKnownHostsFile=${known}`,
      'IdentitiesOnly=yes',
    ];
    return ['-F', '/dev/null', '-i', this.keyFile, ...settings.flatMap((setting) => ['-o', setting])];
  }

  /** `ssh FLAGS root@host COMMAND`, with the input on its stdin. */
  async ssh(
    host: SshAddress,
    command: string[],
    { flags = [], input = '' }: { flags?: string[]; input?: string } = {},
  ): Promise<Ran> {
    const words = [...this.options, ...flags, '-p', String(host.sshPort), `root@${host.address}`, ...command];
    const child = spawn('ssh', words, { env: { ...process.env, TERM: 'xterm-256color' }, stdio: 'pipe' });
    const ran = { code: 255, stdout: '', stderr: '' };
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      ran.stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      ran.stderr += text;
    });
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    ran.code = await new Promise((resolve) => child.once('close', (code) => resolve(code ?? 255)));
    return ran;
  }

  /** forgectl's own client. */
  connect({ address, sshPort }: SshAddress): Promise<Connection> {
    return connect({
      candidates: [{ host: address, port: sshPort, via: 'direct' }],
      instanceId: `${address}:${sshPort}`,
      identity: {
        publicKey: this.publicKey,
        description: 'the key of the lab',
        path: this.keyFile,
        privateKey: readFileSync(this.keyFile, 'utf8'),
        agentSocket: null,
        passphrase: null,
      },
      hostKeys: new HostKeys(join(this.directory, 'pins')),
      timeoutMs: 60_000,
    });
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}
