import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { retype } from '../../src/cli/typed-command.ts';

describe('the command, typed again with a change', () => {
  it.each([
    [['--gpu', 'RTX_4090', '--max-price', '0.1'], '--gpu RTX_4090 --max-price 0.2'],
    [['--max-price=0.1', '--sort', 'price'], '--sort price --max-price 0.2'],
    [['--relax', '--json', '--region', 'EU'], '--region EU --max-price 0.2'],
    [['--query', 'inet_down>500 a=b'], "--query 'inet_down>500 a=b' --max-price 0.2"],
    [['--max-price'], '--max-price 0.2'],
    [['--', '--max-price', '1'], '--max-price 0.2'],
    [[], '--max-price 0.2'],
  ])('%j', (argv, expected) => {
    expect(retype('offers', argv, [{ flag: 'max-price', value: '0.2' }])).toBe(`forgectl offers ${expected}`);
  });

  it('a switch takes no word away', () => {
    expect(retype('launch', ['--best', '--gpu', 'X'], [{ flag: 'unverified', value: null }])).toBe(
      'forgectl launch --best --gpu X --unverified',
    );
  });

  it('shows no value that may be secret, however it was typed', () => {
    const secret = 'hf_secret';
    for (const flag of ['--env', '--forge-args', '--provisioning']) {
      for (const argv of [
        [flag, `A=${secret}`],
        [`${flag}=A=${secret}`],
        [flag, `--api --auth ${secret}`],
        [flag, `A\n${secret}`],
      ]) {
        const line = retype('launch', ['--best', ...argv, '--yes'], [{ flag: 'gpu', value: 'any' }]);
        expect(line).toBe(`forgectl launch --best ${flag} … --yes --gpu any`);
      }
    }
  });

  it('a shell reads back the words that were typed', () => {
    const word = fc.string({ unit: 'grapheme', maxLength: 8 }).filter((text) => !/\p{Cc}|^-/u.test(text));
    fc.assert(
      fc.property(fc.array(word, { maxLength: 4 }), word, (words, value) => {
        const line = retype('offers', ['--sort', ...words], [{ flag: 'gpu', value }]);
        const read = execFileSync('/bin/sh', ['-c', `printf '%s\\n' ${line}`], { encoding: 'utf8' });
        expect(read.split('\n').slice(0, -1)).toEqual(['forgectl', 'offers', '--sort', ...words, '--gpu', value]);
      }),
      { numRuns: 12 },
    );
  });
});
