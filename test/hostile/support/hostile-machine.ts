import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { newKey } from '../../ssh/support/loopback-sshd.ts';
import { Home } from '../../support/forgectl.ts';
import { isChecked } from '../../support/is-checked.ts';
import { ScriptedServer } from '../../support/scripted-server.ts';

/** A user whose account has one machine, which somebody else's SSH server pretends to be. */
export class HostileMachine {
  readonly home: Home;
  /** Where SSH is for the commands that follow. */
  sshPort = 0;
  private readonly api: ScriptedServer;

  private constructor(api: ScriptedServer, url: string) {
    this.api = api;
    this.home = new Home({ VAST_URL: url, FORGECTL_API_KEY: 'k', NO_COLOR: '1' });
    const key = newKey();
    mkdirSync(join(this.home.directory, '.ssh'), { mode: 0o700 });
    writeFileSync(join(this.home.directory, '.ssh', 'key'), key.private, { mode: 0o600 });
    this.home.env['FORGECTL_SSH_KEY'] = join(this.home.directory, '.ssh', 'key');
  }

  static async open(): Promise<HostileMachine> {
    let machine: HostileMachine | null = null;
    const api = new ScriptedServer(({ path }) => {
      const body = { success: true, instances: [machine?.row()], instances_found: 1, total_instances: 1 };
      return path.includes('/instances') ? { body } : { body: { success: true, ssh_keys: [] } };
    });
    machine = new HostileMachine(api, await api.listen());
    return machine;
  }

  /** What was pinned of the last one is of no use for the next. */
  leadsTo(port: number): void {
    this.sshPort = port;
    this.id += 1;
  }

  async remove(): Promise<void> {
    await this.home.remove();
    await this.api.close();
  }

  private id = 100;

  private row(): Record<string, unknown> {
    return {
      id: this.id,
      label: 'stranger',
      actual_status: 'running',
      intended_status: 'running',
      cur_state: 'running',
      public_ipaddr: '127.0.0.1',
      ports: { '22/tcp': [{ HostIp: '0.0.0.0', HostPort: String(this.sshPort) }] },
      image_runtype: 'ssh_direct',
    };
  }
}

/** The most memory that the process has had, in MiB; null when it is gone, or the system does not tell. */
export function peakMemoryMiB(pid: number): number | null {
  try {
    const text = readFileSync(`/proc/${pid}/status`, 'utf8');
    const kilobytes = /^VmHWM:\s+(\d+) kB$/mu.exec(text)?.[1];
    return kilobytes === undefined ? null : Number(kilobytes) / 1024;
  } catch {
    return null;
  }
}

export const canMeasureMemory = isChecked(
  existsSync('/proc/self/status'),
  '/proc',
  'the memory of an attacked forgectl',
);
