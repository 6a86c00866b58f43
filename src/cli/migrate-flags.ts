import { Args, Flags } from '@oclif/core';
import { TRANSPORTS } from '../workflows/migrate/transport.js';
import { copyFlags } from './copy-flags.js';
import { busyFlags, changeFlags, eventsFlag, INSTANCE_WORDS } from './flags.js';
import { launchFlags } from './launch-flags.js';

export const migrateArgs = {
  source: Args.string({ description: `The instance to move from, by ${INSTANCE_WORDS}.` }),
  destination: Args.string({ description: 'The instance to move to, with the same image; or --to-new.' }),
};

const WAYS = ['auto', ...TRANSPORTS] as const;

/** How files get from one instance to another; of `migrate` and `clone`. */
export const moveFlags = {
  via: Flags.option({
    description:
      "direct: over SSH between the machines, from whichever side is open, with a key made for this run. relay: through this computer. api: the platform's copy, the only way from a source that is stopped. auto: direct where one reaches the other, else relay.",
    options: WAYS,
    env: 'FORGECTL_VIA',
    default: 'auto' as const,
  })(),
  include: Flags.string({
    description: 'Take along what is left out by default; may be repeated.',
    helpValue: 'GLOB',
    multiple: true,
    multipleNonGreedy: true,
  }),
  exclude: copyFlags.exclude,
  verify: Flags.option({
    description: 'Compare names, types, sizes, modes, times and link targets (fast), contents too (full).',
    options: ['fast', 'full'] as const,
    default: 'fast' as const,
    env: 'FORGECTL_VERIFY',
  })(),
  bwlimit: copyFlags.bwlimit,
  parallel: copyFlags.parallel,
  'stall-timeout': copyFlags['stall-timeout'],
  ...busyFlags,
  'allow-image-mismatch': Flags.boolean({
    description: 'Also when image or environment differ; the plan says what may break.',
  }),
  'break-lock': Flags.boolean({ description: 'Also when another run holds one of the machines.' }),
};

const { timeout, 'ssh-key': sshKey, ...ofNewMachines } = launchFlags;

/** Apart from the others in the help. */
export function grouped<T extends Record<string, object>>(flags: T): T {
  const helpGroup = 'LAUNCH';
  return Object.fromEntries(Object.entries(flags).map(([name, flag]) => [name, { ...flag, helpGroup }])) as T;
}

export const migrateFlags = {
  'to-new': Flags.boolean({
    description:
      'To a machine that is rented now, with the launch flags below: image, disk, ports and variables taken over.',
  }),
  ...moveFlags,
  'keep-source-running': Flags.boolean({
    description: 'Forge on the source is not stopped at all. What it writes during the last pass may be missing.',
  }),
  'stop-source': Flags.boolean({
    description: 'When all is proved, stop the source; its disk goes on billing.',
    exclusive: ['destroy-source', 'keep-source-running'],
  }),
  'destroy-source': Flags.boolean({
    description: 'When all is proved, destroy the source with its data. It stays when anything did not come along.',
    exclusive: ['stop-source', 'keep-source-running'],
  }),
  'ssh-key': sshKey,
  timeout,
  ...grouped(ofNewMachines),
  events: eventsFlag,
  ...changeFlags,
};
