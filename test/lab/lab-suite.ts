import { describe } from 'vitest';

/** `describe` for tests that need a lab. Without one they are counted as skipped; enter.js has said why. */
export const describeLab: typeof describe.skip = process.env['FORGECTL_LAB'] === undefined ? describe.skip : describe;
