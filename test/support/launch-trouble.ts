import { expect } from 'vitest';
import { Home } from './forgectl.ts';

export interface ErrorDocument {
  error: { code: string; exit: number; hint: string; instance_id?: number };
}

/** A launch that ends as soon as the machine runs. */
export const LAUNCH = ['launch', '--best', '--yes', '--wait-for', 'api'];
export const RENT = 'PUT /api/v0/asks/{id}/';

/** A sandbox that misbehaves on request. */
export class LaunchTrouble {
  readonly home = new Home({ FORGECTL_SANDBOX: '1' });

  async start(): Promise<void> {
    expect((await this.home.run(['sandbox', 'start', '--time-scale', '120'])).code).toBe(0);
  }

  async clear(): Promise<void> {
    await this.home.call('DELETE', '/sandbox/faults/');
  }

  async fault(body: Record<string, unknown>): Promise<void> {
    await this.home.call('PUT', '/sandbox/faults/', body);
  }

  /** What is rented, as the sandbox itself knows it. */
  async living(): Promise<{ id: number; label: string; destroyed_at: string | null }[]> {
    const { body } = await this.home.call('GET', '/sandbox/ledger/');
    const { contracts } = body as { contracts: { id: number; label: string; destroyed_at: string | null }[] };
    return contracts.filter((contract) => contract.destroyed_at === null);
  }

  async destroyAll(): Promise<void> {
    for (const { id } of await this.living()) await this.home.call('DELETE', `/api/v0/instances/${id}/`);
    expect(await this.living()).toEqual([]);
  }
}
