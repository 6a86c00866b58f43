import * as z from 'zod/mini';

/**
 * How fields of answers are read: strict where a wrong reading would cost money (ids, prices, lists, success) and
 * tolerant where the API is known to differ from its documents. Fields that forgectl does not use are left behind.
 */

/** One line, without control and formatting characters: text of strangers ends up on terminals (traps: trailing newlines). */
export function cleanLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' ').trim();
}

export const text = z.pipe(z.string(), z.transform(cleanLine));
export const nullableText = z.pipe(
  z.nullish(z.union([z.string(), z.number(), z.boolean()])),
  z.transform((value) => (value === null || value === undefined ? null : cleanLine(String(value)) || null)),
);
/** Script text keeps its line breaks. */
export const nullableScript = z.pipe(
  z.nullish(z.string()),
  z.transform((value) => value ?? null),
);
export const number = z.number();
export const nullableNumber = z.pipe(
  z.nullish(z.union([z.number(), z.string()])),
  z.transform((value) =>
    value === null || value === undefined || value === '' || !Number.isFinite(Number(value)) ? null : Number(value),
  ),
);
export const flag = z.pipe(
  z.nullish(z.union([z.boolean(), z.number(), z.string()])),
  z.transform((value) => value === true || value === 1 || value === 'true'),
);
export const id = z.pipe(
  z.union([z.int().check(z.nonnegative()), z.string().check(z.regex(/^\d{1,15}$/u))]),
  z.transform(Number),
);
/** A whole number of a range; null for anything else. */
export const within = (least: number, most: number) =>
  z.pipe(
    nullableNumber,
    z.transform((value) =>
      value !== null && Number.isInteger(value) && value >= least && value <= most ? value : null,
    ),
  );

/** The last moment that a Date can hold. */
const LAST_MS = 8.64e15;

export const epochMs = z.pipe(
  nullableNumber,
  z.transform((seconds) => (seconds === null || Math.abs(seconds * 1000) > LAST_MS ? null : seconds * 1000)),
);

/** A reader of one schema: the body's value, or an Error that names the field. */
export function reader<T>(schema: z.ZodMiniType<T>): (body: unknown) => T {
  return (body) => {
    const result = z.safeParse(schema, body);
    if (result.success) return result.data;
    const issue = result.error.issues[0];
    throw new Error(`${issue?.path.join('.') || 'the whole answer'}: ${issue?.message ?? 'wrong shape'}`);
  };
}

export const readNothing = (): undefined => undefined;
