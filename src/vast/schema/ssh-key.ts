import * as z from 'zod/mini';
import type { AccountSshKey } from '../model.js';
import { cleanLine, id, nullableText, reader } from './fields.js';

/** What somebody has pasted into the console: it may be no key at all, and is shown as it is. */
const keyText = z.pipe(
  z.optional(z.unknown()),
  z.transform((value) => (typeof value === 'string' ? cleanLine(value) : '')),
);

const sshKeySchema = z.pipe(
  z.object({
    id,
    key: keyText,
    public_key: keyText,
    ssh_key: keyText,
    created_at: nullableText,
    deleted_at: nullableText,
  }),
  z.transform((row) => ({
    id: row.id,
    publicKey: row.public_key || row.key || row.ssh_key,
    createdAt: isoTime(row.created_at),
    isDeleted: row.deleted_at !== null,
  })),
);

/** ISO as documented, or epoch seconds as elsewhere; null when it is no time. */
function isoTime(text: string | null): string | null {
  if (text === null) return null;
  const time = new Date(/^\d+(\.\d+)?$/u.test(text) ? Number(text) * 1000 : text);
  return Number.isFinite(time.getTime()) ? time.toISOString() : null;
}

/** Deleted keys may stay in the list with the time of their end. */
function living(rows: { id: number; publicKey: string; createdAt: string | null; isDeleted: boolean }[]) {
  return rows
    .filter(({ isDeleted }) => !isDeleted)
    .map(({ id: keyId, publicKey, createdAt }): AccountSshKey => ({ id: keyId, publicKey, createdAt }));
}

export const readSshKeys = reader(
  z.pipe(
    z.union([
      z.array(sshKeySchema),
      z.pipe(
        z.object({ keys: z.array(sshKeySchema) }),
        z.transform(({ keys }) => keys),
      ),
    ]),
    z.transform(living),
  ),
);
