import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { looksLikeForward, nameOfEnd, parseForward, parseForwards } from '../../../src/workflows/tunnel/specs.ts';

const local = (port: number, address: string | null = null) => ({ kind: 'tcp', address, port }) as const;
const remote = (port: number, host = '127.0.0.1') => ({ host, port });
const port = fc.integer({ min: 1, max: 65535 });

describe('the words of a tunnel', () => {
  it.each([
    ['forge', [{ local: null, remote: { service: 'forge' } }]],
    ['Jupyter', [{ local: null, remote: { service: 'jupyter' } }]],
    ['8080', [{ local: local(8080), remote: remote(8080) }]],
    ['9000:8000', [{ local: local(9000), remote: remote(8000) }]],
    ['0:8000', [{ local: local(0), remote: remote(8000) }]],
    ['9000:forge', [{ local: local(9000), remote: { service: 'forge' } }]],
    ['0.0.0.0:9000:8000', [{ local: local(9000, '0.0.0.0'), remote: remote(8000) }]],
    ['*:9000:8000', [{ local: local(9000, '0.0.0.0'), remote: remote(8000) }]],
    ['localhost:9000:8000', [{ local: local(9000), remote: remote(8000) }]],
    ['[::1]:9000:8000', [{ local: local(9000, '::1'), remote: remote(8000) }]],
    ['9000:localhost:8000', [{ local: local(9000), remote: remote(8000) }]],
    ['9000:db.internal:5432', [{ local: local(9000), remote: remote(5432, 'db.internal') }]],
    ['5000:[::1]:80', [{ local: local(5000), remote: remote(80, '::1') }]],
    ['0.0.0.0:9000:10.0.0.7:80', [{ local: local(9000, '0.0.0.0'), remote: remote(80, '10.0.0.7') }]],
    [
      '9000-9001:8000-8001',
      [
        { local: local(9000), remote: remote(8000) },
        { local: local(9001), remote: remote(8001) },
      ],
    ],
    ['./a b.sock:17860', [{ local: { kind: 'unix', path: './a b.sock' }, remote: remote(17860) }]],
    ['/tmp/x/y:forge', [{ local: { kind: 'unix', path: '/tmp/x/y' }, remote: { service: 'forge' } }]],
  ])('%s', (word, specs) => {
    expect(parseForward(word)).toEqual(specs);
  });

  it.each([
    '',
    ':',
    '::',
    ':80',
    '80:',
    '99999:1',
    '1:99999',
    '1:0',
    '1-3:1-2',
    '5-4',
    '1-65535',
    'a b',
    'a:b:c',
    'forge:80',
    '$(touch pwned)',
    '9000:8000\n',
    '9000:8000:7000:6000:1',
    '-R',
    '1'.repeat(300),
  ])('%j is wrong usage', (word) => {
    expect(() => parseForward(word)).toThrow(expect.objectContaining({ exit: 2, code: 'BAD_FORWARD' }));
  });

  it('reads back every pair of ports and every range, wherever it listens', () => {
    fc.assert(
      fc.property(port, port, fc.constantFrom('', '127.0.0.2:', '[::1]:'), (one, other, bind) => {
        const [spec] = parseForward(`${bind}${one}:${other}`);
        expect(spec?.local).toMatchObject({ port: one });
        expect(spec?.remote).toEqual(remote(other));
      }),
    );
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60000 }), fc.integer({ min: 0, max: 255 }), (from, more) => {
        const specs = parseForward(`${from}-${from + more}`);
        expect(specs).toHaveLength(more + 1);
        expect(specs.at(-1)?.remote).toEqual(remote(from + more));
      }),
    );
  });

  it('never does anything but answer or refuse', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 60 }), (word) => {
        try {
          expect(parseForward(word).length).toBeGreaterThan(0);
        } catch (error) {
          expect(error).toMatchObject({ exit: 2 });
        }
      }),
    );
  });

  it('refuses two that want the same local end, but not two that take any', () => {
    expect(() => parseForwards(['9000:1', '9000:2'])).toThrow(/twice/u);
    expect(() => parseForwards(['9000-9002', '9001'])).toThrow(/twice/u);
    expect(() => parseForwards(['forge', 'forge'])).toThrow(/twice/u);
    expect(parseForwards(['0:1', '0:2', '0:3'])).toHaveLength(3);
    expect(parseForwards(['127.0.0.1:9000:1', '127.0.0.2:9000:1'])).toHaveLength(2);
  });

  it('knows what cannot be an instance, and writes an address as a browser takes it', () => {
    expect(['9000:8000', '9000-9001', './x.sock:1'].every(looksLikeForward)).toBe(true);
    expect(['my-forge', '12345', 'C.12345', 'forge'].some(looksLikeForward)).toBe(false);
    expect(nameOfEnd(local(80))).toBe('localhost:80');
    expect(nameOfEnd(local(80, '::1'))).toBe('[::1]:80');
  });
});
