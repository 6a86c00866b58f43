import * as z from 'zod/mini';
import { type Charge, type ChargeKind, NO_CHARGE } from '../model.js';
import { cleanLine, epochMs, nullableText, number, reader, text } from './fields.js';

const CHARGE_KINDS: Record<string, ChargeKind> = { gpu: 'gpu', disk: 'disk', bwd: 'download', bwu: 'upload' };

const chargeSchema = z.pipe(
  z.object({
    start: epochMs,
    end: epochMs,
    type: nullableText,
    source: text,
    amount: number,
    metadata: z.optional(z.unknown()),
    items: z.nullish(z.array(z.object({ type: nullableText, amount: number }))),
  }),
  z.transform((row): Charge => {
    const kinds = { ...NO_CHARGE };
    for (const { type, amount } of row.items ?? []) kinds[CHARGE_KINDS[type ?? ''] ?? 'other'] += amount;
    return {
      source: row.source,
      type: row.type ?? /^[a-z]+/u.exec(row.source)?.[0] ?? 'other',
      contractId: Number(/-(\d+)$/u.exec(row.source)?.[1] ?? Number.NaN) || null,
      label: labelOf(row.metadata),
      startMs: row.start,
      endMs: row.end,
      kinds: withRest(kinds, row.amount),
    };
  }),
);

/** What the parts do not explain; rounding is no rest. */
function withRest(kinds: Charge['kinds'], amountUsd: number): Charge['kinds'] {
  const rest = amountUsd - Object.values(kinds).reduce((sum, part) => sum + part, 0);
  return Math.abs(rest) < 0.002 ? kinds : { ...kinds, other: kinds.other + rest };
}

function labelOf(metadata: unknown): string | null {
  const label = (metadata as { label?: unknown } | null | undefined)?.label;
  return typeof label === 'string' ? cleanLine(label) || null : null;
}

export const readChargePage = reader(
  z.object({
    results: z.array(chargeSchema),
    total: z.nullish(z.number()),
    next_token: z.nullish(z.string()),
  }),
);
