import { describe, expect, it } from 'vitest';
import {
  completePlan,
  isComplete,
  type StoredLaunchPlan,
  valuesMissing,
} from '../../src/workflows/launch/stored-plan.ts';

const stored = (more: Partial<StoredLaunchPlan>): StoredLaunchPlan =>
  ({
    request: { env: { OPEN: '1' } },
    withheld: ['HF_TOKEN'],
    typedNames: ['HF_TOKEN'],
    withheldOnstart: false,
    sshKeyFile: null,
    ...more,
  }) as unknown as StoredLaunchPlan;
const given = { env: {}, onstart: null, script: null };

describe('a launch that goes on without what its journal may not hold', () => {
  it('names what can be typed, as it is typed', () => {
    const { missing } = completePlan(stored({}), given);
    expect(isComplete(missing)).toBe(false);
    expect(valuesMissing('launch-0123abcd', missing)).toMatchObject({
      message: expect.stringContaining('HF_TOKEN'),
      hint: expect.stringMatching(/^forgectl resume launch-0123abcd --env HF_TOKEN=…\n/u),
    });
    const typed = completePlan(stored({}), { ...given, env: { HF_TOKEN: 'hf_x' } });
    expect(isComplete(typed.missing)).toBe(true);
    expect(typed.plan.request.env).toEqual({ OPEN: '1', HF_TOKEN: 'hf_x' });
  });

  it.each([
    ["the template's onstart script", { withheldOnstart: true }, given],
    [
      'the provisioning script setup.sh',
      { withheldOnstart: true, provisioningFile: { name: 'setup.sh', sha256: '', bytes: 1, by: 'onstart' } },
      { ...given, onstart: 'entrypoint.sh' },
    ],
  ] as const)('says that %s cannot be typed', (name, more, values) => {
    const { missing } = completePlan(stored(more as unknown as Partial<StoredLaunchPlan>), values);
    const error = valuesMissing('launch-0123abcd', missing);
    expect(error.message).toContain(name);
    expect(error.hint).toMatch(/^forgectl undo launch-0123abcd /u);
    expect(error.hint).not.toContain('--env');
  });
});
