import { BadRequest } from '../../src/sandbox/vast-api/filter.ts';
import { Market } from '../../src/sandbox/vast-api/market.ts';
import type { World } from '../../src/sandbox/world.ts';
import { VastClient } from '../../src/vast/client.ts';
import { createVast, type Vast } from '../../src/vast/vast.ts';
import { FakeClock } from './fake-clock.ts';
import { ScriptedServer } from './scripted-server.ts';

/** The market of the sandbox behind a bare server: searches over the wire, without machines and limits. */
export class MarketServer {
  readonly market: Market;
  vast!: Vast;
  /** The nth search is answered with this status instead. */
  failAt: { search: number; status: number } | null = null;
  searches = 0;
  private readonly server: ScriptedServer;

  private constructor(seed: number) {
    this.market = new Market({ state: { seed, asks: {} }, living: () => [] } as unknown as World);
    this.server = new ScriptedServer(({ body }) => this.answer(body as Record<string, unknown>));
  }

  static async open(seed: number): Promise<MarketServer> {
    const opened = new MarketServer(seed);
    const clock = new FakeClock();
    const baseUrl = await opened.server.listen();
    opened.vast = createVast(new VastClient({ baseUrl, apiKey: () => 'k', clock, userAgent: 'test' }), clock);
    return opened;
  }

  async close(): Promise<void> {
    await this.vast.close();
    await this.server.close();
  }

  private answer(query: Record<string, unknown>): { status?: number; body: unknown } {
    this.searches += 1;
    if (this.failAt?.search === this.searches) return { status: this.failAt.status, body: { success: false } };
    try {
      return { body: { offers: this.market.search(query) } };
    } catch (error) {
      if (!(error instanceof BadRequest)) throw error;
      return { status: 400, body: { success: false, error: 'invalid_request', msg: error.message } };
    }
  }
}
