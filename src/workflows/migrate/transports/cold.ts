import { EXIT, ForgeError } from '../../../errors.js';
import type { Instance } from '../../../vast/model.js';
import { isAtRest } from '../../instance-state.js';
import type { Carried, Pass, Transport } from '../transport.js';
import { PlatformCopy, type PlatformCopyOptions } from './platform.js';
import { carryByEngine } from './relay.js';

/** From a machine that does not run: whatever has contents comes by the platform, the rest is names and attributes. */
export class ColdCopy implements Transport {
  readonly name = 'api';
  private readonly platform: PlatformCopy;
  private readonly readInstance: PlatformCopyOptions['readInstance'];

  constructor(options: Omit<PlatformCopyOptions, 'rest' | 'worthBytes'>) {
    this.platform = new PlatformCopy({ ...options, worthBytes: 0, rest: this });
    this.readInstance = options.readInstance;
  }

  async carry(pass: Pass): Promise<Carried> {
    const sourceId = pass.source.instanceId;
    await this.expectAtRest(sourceId);
    if (pass.plan.trees.every(({ small, large }) => small.length + large.length === 0)) return carryByEngine(pass);
    const carried = await this.platform.carry(pass);
    await this.expectAtRest(sourceId);
    return carried;
  }

  tidy(): Promise<void> {
    return this.platform.tidy();
  }

  /** What it lists is true for as long as nothing writes there. */
  private async expectAtRest(id: number): Promise<void> {
    const row: Instance | null = await this.readInstance(id);
    if (row !== null && isAtRest(row)) return;
    throw new ForgeError(`Instance ${id} is not stopped any more: what was listed of it may have changed.`, {
      code: 'SOURCE_STARTED',
      exit: EXIT.conflict,
      hint: `Stop it again (forgectl stop ${id}), or take this back and migrate from the running machine.`,
      details: { instance_id: id },
    });
  }
}
