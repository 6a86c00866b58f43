import * as z from 'zod/mini';
import type { User } from '../model.js';
import { cleanLine, id, nullableNumber, nullableText, reader } from './fields.js';

const userSchema = z.pipe(
  z.object({ id, email: nullableText, credit: nullableNumber, balance: nullableNumber }),
  z.transform((row): User => ({ id: row.id, email: row.email, creditUsd: row.credit ?? row.balance })),
);

export const readUser = reader(userSchema);
/** Names alone: the values are never told. */
export const readSecretNames = reader(
  z.pipe(
    z.object({ secrets: z.record(z.string(), z.unknown()) }),
    z.transform(({ secrets }) => Object.keys(secrets).map(cleanLine)),
  ),
);
export const readApiKeys = reader(
  z.object({ apikeys: z.array(z.object({ id, permissions: z.optional(z.unknown()) })) }),
);
export const readKeyId = reader(z.object({ key_id: nullableNumber }));
