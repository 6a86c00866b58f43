import { Args, Flags } from '@oclif/core';
import { dryRunFlag, durationFlag, eventsFlag, InvalidFlagValue } from './flags.js';

const FACTORS: Record<string, number> = { '': 1, k: 1e3, m: 1e6, g: 1e9 };

/** Bytes in a second as people write them: 500k, 10M, 1.5G; a bare number is bytes. */
const rateFlag = Flags.custom<number>({
  parse: async (text) => {
    const [, number, unit = ''] = /^(\d+(?:\.\d+)?)([kmg]?)(?:b?(?:\/s)?)$/iu.exec(text) ?? [];
    const rate = Number(number) * (FACTORS[unit.toLowerCase()] ?? Number.NaN);
    if (!(rate > 0))
      throw new InvalidFlagValue(`"${text}" is not a rate. Write 500k, 10M or 1.5G (bytes in a second).`);
    return rate;
  },
});

export const copyArgs = {
  source: Args.string({ description: 'Files, directories or links, here or INSTANCE:PATH.' }),
  destination: Args.string({ description: 'Where to, here or INSTANCE:PATH; the last word.' }),
};

export const copyFlags = {
  recursive: Flags.boolean({ char: 'r', description: 'Directories with all they hold: always so; for the fingers.' }),
  exclude: Flags.string({
    description: "Leave out what fits, as in .gitignore: '*.ckpt', 'venv/', 'outputs/**'; may be repeated.",
    helpValue: 'GLOB',
    multiple: true,
    multipleNonGreedy: true,
  }),
  'exclude-from': Flags.string({ description: 'File with a pattern on each line.', helpValue: 'FILE' }),
  'no-clobber': Flags.boolean({
    char: 'n',
    description: 'Leave files that are there, whatever they hold.',
    exclusive: ['update'],
  }),
  update: Flags.boolean({ char: 'u', description: 'Replace files only with newer ones.' }),
  resume: Flags.boolean({
    description: 'Skip what has the same size and time, go on with parts of an earlier try.',
    default: true,
    allowNo: true,
  }),
  'follow-links': Flags.boolean({
    char: 'H',
    description: 'For a link that is named as a source copy what it points at; links in directories stay links.',
  }),
  links: Flags.boolean({
    description: 'Make links that lead out of what is copied, too. From an instance they are left out otherwise.',
  }),
  verify: Flags.option({
    description: 'Compare afterwards: names, types, sizes, modes, times and link targets (fast), contents too (full).',
    options: ['none', 'fast', 'full'] as const,
    default: 'fast',
    env: 'FORGECTL_VERIFY',
    helpValue: 'none|fast|full',
  })(),
  bwlimit: rateFlag({ description: 'Most bytes in a second.', env: 'FORGECTL_BWLIMIT', helpValue: '10M' }),
  parallel: Flags.integer({
    description: 'Streams at a time; chosen by the distance when left out.',
    env: 'FORGECTL_PARALLEL',
    helpValue: 'N',
    min: 1,
    max: 32,
  }),
  'stall-timeout': durationFlag({
    description: 'Connect anew when nothing has moved for this time.',
    env: 'FORGECTL_STALL_TIMEOUT',
    helpValue: '30s',
    default: 30_000,
    defaultHelp: async () => '30s',
  }),
  'ssh-key': Flags.string({
    description: 'Private key to log in with.',
    env: 'FORGECTL_SSH_KEY',
    helpValue: 'FILE',
  }),
  'dry-run': dryRunFlag,
  events: eventsFlag,
};
