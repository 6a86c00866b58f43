import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Sandbox, startSandbox } from '../../src/sandbox/sandbox.ts';
import { Home } from '../support/forgectl.ts';
import { LabMachines, type LabMachinesOptions } from './lab-machine.ts';

/** Sandbox seconds in one of ours. Real supervisors and logins take their own time, so it is not too fast. */
const TIME_SCALE = 20;

/**
 * A user whose sandbox has the lab as its machines: `run(['launch', …])` ends on real OpenSSH. The sandbox lives in this
 * process, so do not end it with `forgectl sandbox stop`.
 */
export class LabHome extends Home {
  readonly machines: LabMachines;
  private sandbox: Sandbox | null = null;

  private constructor(options: LabMachinesOptions) {
    super({ FORGECTL_SANDBOX: '1' });
    this.machines = new LabMachines(options);
  }

  static async open(options: LabMachinesOptions & { timeScale?: number } = {}): Promise<LabHome> {
    const home = new LabHome(options);
    home.sandbox = await startSandbox({
      stateDir: join(home.directory, 'sandbox'),
      openMachine: home.machines.open,
      timeScale: options.timeScale ?? TIME_SCALE,
      seed: 1,
    });
    return home;
  }

  override async remove(): Promise<void> {
    await this.sandbox?.close();
    await this.machines.remove();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
