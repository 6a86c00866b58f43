import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatDockerFlags, parseDockerFlags } from '../../src/vast/launch-env.ts';
import { parseOfferQuery, regionFilter } from '../../src/vast/offer-query.ts';

describe("the official client's filter text", () => {
  it.each([
    ['gpu_ram>=24', { gpu_ram: { gte: 24_000 } }],
    ['gpu_name=RTX_4090 num_gpus>=2 num_gpus<8', { gpu_name: { eq: 'RTX 4090' }, num_gpus: { gte: 2, lt: 8 } }],
    ['dph<0.5 cuda_vers >= 12.8', { dph_total: { lt: 0.5 }, cuda_max_good: { gte: 12.8 } }],
    ['duration>2.5', { duration: { gt: 216_000 } }],
    ['geolocation in [DE,NL]', { geolocation: { in: ['DE', 'NL'] } }],
    ['geolocation notin [US]', { geolocation: { notin: ['US'] } }],
    ['driver_version>=535.86.05', { driver_version: { gte: 535_086_005 } }],
    ['verified==true static_ip!=false', { verified: { eq: true }, static_ip: { neq: false } }],
    ['gpu_name="RTX 4090"', { gpu_name: { eq: 'RTX 4090' } }],
    ['', {}],
  ])('%s', (text, filters) => {
    expect(parseOfferQuery(text).filters).toEqual(filters);
  });

  it('"any" drops a default filter', () => {
    expect(parseOfferQuery('verified=any external=*')).toMatchObject({
      filters: {},
      dropped: ['verified', 'external'],
    });
  });

  it('what cannot be read is wrong usage, and says where', () => {
    expect(() => parseOfferQuery('gpu_ram>=24 ;;')).toThrow(/at character 12/u);
    expect(() => regionFilter('Mars')).toThrow(/neither a region/u);
  });

  it('never hangs, and either reads or refuses', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          expect(typeof parseOfferQuery(text).filters).toBe('object');
        } catch (error) {
          expect(error).toMatchObject({ exit: 2 });
        }
      }),
    );
  });
});

describe('docker flags', () => {
  const name = fc.stringMatching(/^[A-Z_][A-Z0-9_]{0,12}$/u);
  const port = fc.integer({ min: 1, max: 75_000 }).map((number) => `-p ${number}:${number}`);

  it('what is written is read back exactly, whatever the values hold', () => {
    fc.assert(
      fc.property(fc.dictionary(name, fc.string()), fc.uniqueArray(port), (variables, ports) => {
        const env = { ...variables, ...Object.fromEntries(ports.map((flag) => [flag, '1'])) };
        expect(parseDockerFlags(formatDockerFlags(env))).toEqual(env);
      }),
    );
  });

  it("reads the image's own template", () => {
    expect(
      parseDockerFlags(
        '-p 1111:1111 -e PORTAL_CONFIG="localhost:1111:11111:/:Instance Portal" -e FORGE_ARGS="--port 17860" --env=A=b -h host',
      ),
    ).toEqual({
      '-p 1111:1111': '1',
      PORTAL_CONFIG: 'localhost:1111:11111:/:Instance Portal',
      FORGE_ARGS: '--port 17860',
      A: 'b',
      '-h host': '1',
    });
  });
});
