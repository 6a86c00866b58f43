import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Shell, ShellResult } from '../../../src/ssh/shell.ts';

/** A machine that lives in a directory, with an awkward name; a real bash runs its scripts. */
export class MachineRoot implements Shell {
  readonly path = mkdtempSync(join(tmpdir(), "forge root '$x' "));
  env: Record<string, string> = {};
  /** Printed before the script's own output, as banners are. */
  noise = '';
  /** When set, nothing but this folder and the machine's tools is on the PATH. */
  onlyTools: string | null = null;

  write(path: string, text: string): string {
    const file = join(this.path, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    return file;
  }

  tool(name: string, text: string, folder = 'opt/instance-tools/bin'): void {
    chmodSync(this.write(join(folder, name), `#!/bin/bash\n${text}\n`), 0o755);
  }

  async run(script: string): Promise<ShellResult> {
    return this.runNow(script);
  }

  runNow(script: string): ShellResult {
    const noise = this.noise === '' ? '' : `printf '%s' '${this.noise}'\n`;
    const done = spawnSync('bash', ['--noprofile', '--norc', '-s'], {
      input: `${noise}${script}`,
      env: { PATH: this.onlyTools ?? process.env['PATH'], FORGECTL_ROOT: this.path, HOME: this.path, ...this.env },
      encoding: 'utf8',
    });
    return { stdout: done.stdout, stderr: done.stderr, exitCode: done.status };
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
