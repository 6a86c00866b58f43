export interface Moment<Fault> {
  number: number;
  fault: Fault;
  /** Where it strikes, for faults that may strike one end. */
  at: 'old' | 'new' | 'both';
  /** From the first byte on: after so many of these... */
  bytes: number | null;
  /** ...or after so long. */
  ms: number;
  /** For people. */
  when: string;
  repair: 'resume' | 'undo';
}

interface Wish<Fault> {
  faults: readonly Fault[];
  count: number;
  /** Null when the way does not say how many it has brought. */
  bytes: number | null;
  copyMs: number;
  runMs: number;
}

/** So many moments, the same for the same seed. `copyMs` is about how long the copy takes, `runMs` the whole run. */
export function drawMoments<Fault>(
  seed: number,
  { faults, count, bytes, copyMs, runMs }: Wish<Fault>,
): Moment<Fault>[] {
  const random = randomFrom(seed);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
  return Array.from({ length: count }, (_, at) => {
    const isInCopy = random() < 0.7;
    const byBytes = isInCopy && bytes !== null && random() < 0.5;
    const afterBytes = byBytes ? Math.floor(random() * (bytes ?? 0)) : null;
    const ms = Math.floor(random() * (isInCopy ? copyMs : runMs));
    return {
      number: at + 1,
      // Each in its turn, so that a share of the series has them all.
      fault: faults[(at + seed) % faults.length] as Fault,
      at: pick(['old', 'new', 'both'] as const),
      bytes: afterBytes,
      ms,
      when: afterBytes === null ? `${ms} ms` : `${afterBytes} bytes`,
      repair: pick(['resume', 'undo'] as const),
    };
  });
}

/** mulberry32 */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
