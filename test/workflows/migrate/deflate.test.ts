import { describe, expect, it } from 'vitest';
import type { Instance } from '../../../src/vast/model.ts';
import { isWorthDeflating } from '../../../src/workflows/migrate/deflate.ts';

const end = (inetUpMbitPerS: number | null, inetDownMbitPerS: number | null, publicIpaddr: string | null): Instance =>
  ({ inetUpMbitPerS, inetDownMbitPerS, publicIpaddr }) as Instance;

describe('deflating between machines', () => {
  it.each([
    ['a slow line of the source', end(90, 900, '192.0.2.1'), end(900, 900, '192.0.2.2'), true],
    ['a slow line of the destination', end(900, 20, '192.0.2.1'), end(900, 90, '192.0.2.2'), true],
    ['fast lines, whatever the other directions are', end(900, 20, '192.0.2.1'), end(20, 900, '192.0.2.2'), false],
    ['neighbours', end(90, 90, '192.0.2.1'), end(90, 90, '192.0.2.1'), false],
    ['lines that nobody knows', end(null, null, null), end(null, null, null), false],
    ['one that is known', end(null, null, null), end(null, 90, null), true],
  ])('%s', (_, source, destination, is) => {
    expect(isWorthDeflating(source, destination)).toBe(is);
  });
});
