import { Agent, type Server } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Ending } from '../ssh/support/striking-line.ts';
import { TunnelFixture } from '../workflows/tunnel/tunnel-fixture.ts';
import { isAll, isMost } from './chosen.ts';
import { ask, ClosingClients, type Outcome, openBlobServer } from './tunnel-clients.ts';

const ALL = isMost;
const CUTS = isAll ? 220 : ALL ? 80 : 8;
const CLIENTS = 50;
/** Of these. */
const CLOSING_CLIENTS = 15;
const SEED = Number(process.env['FAULT_SEED'] ?? 20261124);
/** Of the connection, from the cut to the next whole answer. Wide, because the machine may be busy. */
const USABLE_WITHIN_MS = 15_000;

/** mulberry32: the same cuts in every run of a seed. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Cut {
  title: string;
  /** Ends the connection that stands. */
  first: { bytes: number; direction: 'up' | 'down' } | 'now';
  /** What the way back meets: refused logins, or a login that is cut behind so many bytes. */
  then: ({ refusedMs: number } | { bytes: number; direction: 'up' | 'down' } | { stalledMs: number })[];
  ending: Ending;
}

function cutsOf(seed: number): Cut[] {
  const random = randomOf(seed);
  const upTo = (most: number): number => Math.floor(random() * most);
  const way = (): 'up' | 'down' => (random() < 0.5 ? 'up' : 'down');
  // Up go requests and a few uploads, down the answers.
  const aheadOf = (direction: 'up' | 'down') => ({ bytes: 1 + upTo(direction === 'up' ? 40_000 : 400_000), direction });
  const ending = (): Ending => (random() < 0.5 ? 'reset' : 'close');
  return Array.from({ length: CUTS }, (_, nth): Cut => {
    const first: Cut['first'] = nth % 3 === 0 ? 'now' : aheadOf(way());
    // A login is about 3 kB in each direction: version, key exchange, host key, proof, first channels.
    const then: Cut['then'] = [];
    if (nth % 4 === 1) then.push({ bytes: 1 + upTo(3500), direction: way() });
    if (nth % 8 === 5)
      then.push({ bytes: 1 + upTo(3500), direction: way() }, { bytes: 1 + upTo(60), direction: way() });
    if (nth % 10 === 3) then.push({ refusedMs: upTo(60) });
    if (nth % 20 === 7) then.push({ stalledMs: upTo(150) });
    const text = `${JSON.stringify(first)} then ${JSON.stringify(then)}`;
    return { title: `cut ${nth}: ${text}`, first, then, ending: ending() };
  });
}

describe(`a tunnel that is cut ${CUTS} times with ${CLIENTS} clients at work`, () => {
  let fixture: TunnelFixture;
  let blobs: { server: Server; port: number };
  let port = 0;
  let isOver = false;
  const outcomes: Outcome[] = [];
  let clients: Promise<void>[] = [];
  let closing: ClosingClients;

  beforeAll(async () => {
    blobs = await openBlobServer();
    // A login that is never answered is given up soon, so that the test need not wait for it.
    fixture = await TunnelFixture.open({ loginLimitMs: 1000 });
    [port = 0] = await fixture.start(`0:${blobs.port}`);
    await fixture.until('ready');
    clients = Array.from({ length: CLIENTS - CLOSING_CLIENTS }, (_, nth) => client(nth));
    closing = new ClosingClients(port, CLOSING_CLIENTS, SEED);
  });
  afterAll(() => {
    fixture.close();
    blobs.server.close();
    blobs.server.closeAllConnections();
  });

  async function client(nth: number): Promise<void> {
    const random = randomOf(SEED + nth);
    const agent = nth % 3 === 0 ? new Agent({ keepAlive: true, maxSockets: 1 }) : (false as const);
    for (let turn = 0; !isOver; turn += 1) {
      const outcome = await ask({
        port,
        seed: nth * 100_000 + turn,
        size: Math.floor(random() ** 3 * 120_000),
        way: turn % 2 === 0 ? 'length' : 'chunked',
        upload: turn % 4 === 0 ? Math.floor(random() * 30_000) : 0,
        agent,
      });
      outcomes.push(outcome);
      await new Promise((resolve) => setTimeout(resolve, 30 + random() * 80));
    }
    if (agent !== false) agent.destroy();
  }

  async function strike(cut: Cut): Promise<void> {
    const { line } = fixture;
    const from = fixture.events.length;
    if (cut.first === 'now') line.cut(cut.ending);
    else await line.cutAfter(cut.first.bytes, cut.first.direction, cut.ending);
    for (const next of cut.then) {
      if ('refusedMs' in next) {
        line.refuse();
        await new Promise((resolve) => setTimeout(resolve, next.refusedMs));
        await line.listen();
      } else if ('stalledMs' in next) {
        line.stall(true);
        await new Promise((resolve) => setTimeout(resolve, next.stalledMs));
        line.stall(false);
      } else await line.cutAfter(next.bytes, next.direction, cut.ending);
    }
    await fixture.until('reconnected', from);
  }

  /** Whole, at last: the next connection may meet the rest of a cut. */
  async function untilUsable(): Promise<void> {
    for (const untilMs = Date.now() + USABLE_WITHIN_MS; ; ) {
      const { kind } = await ask({ port, seed: 1, size: 1000, way: 'length', upload: 0, agent: false });
      if (kind === 'whole') return;
      if (Date.now() > untilMs) throw new Error(`not usable again after ${USABLE_WITHIN_MS} ms`);
    }
  }

  it.each(cutsOf(SEED))('$title', async (cut) => {
    await strike(cut);
    await untilUsable();
    expect(outcomes.filter(({ kind }) => kind === 'wrong')).toEqual([]);
  });

  it('no client got a wrong byte, and most got what they asked for', async () => {
    isOver = true;
    await Promise.all(clients);
    const closed = await closing.end();
    const count = (kind: Outcome['kind']): number => outcomes.filter((outcome) => outcome.kind === kind).length;
    process.stdout.write(
      `tunnel faults: seed ${SEED}, ${count('whole')} + ${closed.whole} whole, ${count('failed')} + ${closed.failed} failed\n`,
    );
    expect(outcomes.filter(({ kind }) => kind === 'wrong')).toEqual([]);
    expect(closed.wrong).toEqual([]);
    expect(count('whole')).toBeGreaterThan(CLIENTS);
    expect(closed.whole).toBeGreaterThan(CLOSING_CLIENTS);
    // Nothing is left of what was cut.
    await expect.poll(() => fixture.tunnel.forwards[0]?.traffic.open).toBe(0);
  });
});
