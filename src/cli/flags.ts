import { Args, Flags } from '@oclif/core';

export const dryRunFlag = Flags.boolean({ description: 'Print what would be done and do nothing.' });

/** For every command that changes something. */
export const changeFlags = {
  yes: Flags.boolean({ char: 'y', description: 'Do not ask for confirmation.', env: 'FORGECTL_YES' }),
  'dry-run': dryRunFlag,
};

export const eventsFlag = Flags.boolean({
  description: 'With --json: print one JSON event a line while it runs; the last line is the result.',
  dependsOn: ['json'],
});

export const INSTANCE_WORDS = 'id, C.<id>, label or unique start of a label';

/** Zero or more instances; without one, the only instance that there is. */
export const instancesArg = Args.string({
  description: `Instances, each by ${INSTANCE_WORDS}. May be left out when there is exactly one.`,
});

/** One instance; without it, the only one that there is. */
export const instanceArg = Args.string({
  description: `The instance, by ${INSTANCE_WORDS}. May be left out when there is exactly one.`,
});

/** Durations as people write them: 90s, 40m, 2h, 1h30m; a bare number is seconds. */
export const durationFlag = Flags.custom<number>({
  parse: async (text) => parseDurationMs(text),
});

/** Of commands that take Forge away from a drawing. */
export const busyFlags = {
  'if-busy': Flags.option({
    description: 'When Forge is drawing something: wait for it, go on, or stop.',
    options: ['wait', 'go', 'stop'] as const,
    default: 'wait' as const,
  })(),
  'busy-timeout': durationFlag({
    description: 'How long to wait for a drawing to end.',
    helpValue: '10m',
    default: 600_000,
    defaultHelp: async () => '10m',
  }),
};

/** Returns milliseconds. Throws a plain Error, which oclif reports as wrong usage. */
export function parseDurationMs(text: string): number {
  const factors: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
  if (/^\d+(\.\d+)?$/u.test(text)) return Number(text) * 1000;
  if (!/^(\d{1,15}(\.\d{1,15})?[smhd])+$/u.test(text)) {
    throw new InvalidFlagValue(`"${text}" is not a duration. Write 90s, 40m, 2h or 1h30m.`);
  }
  let sum = 0;
  for (const [, number, unit] of text.matchAll(/(\d{1,15}(?:\.\d{1,15})?)([smhd])/gu)) {
    sum += Number(number) * (factors[unit ?? ''] ?? 0);
  }
  return sum;
}

/** A number above zero, for prices and sizes. */
export const positiveNumberFlag = Flags.custom<number>({
  parse: async (text) => {
    const value = Number(text.replace(/^\$/u, ''));
    if (!Number.isFinite(value) || value <= 0) throw new InvalidFlagValue(`"${text}" is not a number above zero.`);
    return value;
  },
});

/** Dollars on the line: 0.25 or $0.25. */
export const usdArg = Args.custom<number>({
  parse: async (text) => {
    const digits = /^\$?(\d+(?:\.\d+)?|\.\d+)$/u.exec(text)?.[1];
    if (digits === undefined) throw new InvalidFlagValue(`"${text}" is not an amount of dollars. Write 0.25 or $0.25.`);
    return Number(digits);
  },
});

/** 0..1, also as a percentage ("95%" or 95). */
export const fractionFlag = Flags.custom<number>({
  parse: async (text) => {
    const number = Number(text.replace(/%$/u, ''));
    const value = number > 1 || text.endsWith('%') ? number / 100 : number;
    if (!Number.isFinite(value) || value < 0 || value > 1) {
      throw new InvalidFlagValue(`"${text}" is not a fraction between 0 and 1.`);
    }
    return value;
  },
});

/** Reported as wrong usage (exit 2): oclif reads `oclif.exit`. */
export class InvalidFlagValue extends Error {
  readonly oclif = { exit: 2 };
}
