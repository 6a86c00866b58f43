import { Flags } from '@oclif/core';
import { RUNGS, type Rung } from '../workflows/readiness/rungs.js';
import { durationFlag, positiveNumberFlag } from './flags.js';
import { offerFlags } from './offer-flags.js';

/** Which machine to rent, and what becomes of it: for every command that may rent one. */
export const launchFlags = {
  ...offerFlags,
  offer: Flags.integer({ description: 'Rent this offer.', helpValue: 'ID', exclusive: ['cheapest', 'best'] }),
  cheapest: Flags.boolean({
    description: 'Rent what costs least in the first hour, download included.',
    exclusive: ['best'],
  }),
  best: Flags.boolean({ description: 'Rent what generates most for the money.' }),
  bid: positiveNumberFlag({ description: 'Rent interruptible with this bid, in $/hour.', helpValue: 'USD' }),
  template: Flags.string({
    description: 'Template by name, hash or id.',
    env: 'FORGECTL_TEMPLATE',
    helpValue: 'NAME|HASH|ID',
  }),
  image: Flags.string({ description: "Image instead of the template's.", env: 'FORGECTL_IMAGE', helpValue: 'REF' }),
  provisioning: Flags.string({
    description: 'Script that is fetched and run at the first start, or "none".',
    env: 'FORGECTL_PROVISIONING',
    helpValue: 'URL|none',
  }),
  'provisioning-file': Flags.string({
    description:
      'Script of this computer that runs at the first start, without hosting it: in the start script when it is small, else over SSH. It is checked first, see provision check.',
    helpValue: 'FILE',
    exclusive: ['provisioning'],
  }),
  'provisioning-unchecked': Flags.boolean({
    description: 'Take the file also when its check finds errors.',
    dependsOn: ['provisioning-file'],
  }),
  'forge-args': Flags.string({
    description: 'Arguments for Forge, e.g. "--api --xformers"; its port is kept.',
    env: 'FORGECTL_FORGE_ARGS',
    helpValue: 'TEXT',
  }),
  env: Flags.string({
    description: 'Variable for the container; may be repeated.',
    helpValue: 'K=V',
    multiple: true,
    multipleNonGreedy: true,
  }),
  'env-file': Flags.string({ description: 'File with a K=V on each line.', helpValue: 'FILE' }),
  label: Flags.string({ description: 'Label of the instance; made up when left out.', helpValue: 'TEXT' }),
  'ssh-key': Flags.string({
    description: "Private key to log in with; forgectl's own is made when you have none.",
    env: 'FORGECTL_SSH_KEY',
    helpValue: 'FILE',
  }),
  'wait-for': Flags.option({
    description: 'What to wait for.',
    options: RUNGS,
    env: 'FORGECTL_WAIT_FOR',
    default: 'forge' as Rung,
  })(),
  timeout: durationFlag({
    description: 'Give up waiting after this time (exit 7); the machine is kept and named.',
    env: 'FORGECTL_TIMEOUT',
    helpValue: '40m',
    default: 40 * 60_000,
    defaultHelp: async () => '40m',
  }),
  attempts: Flags.integer({
    description: 'Machines to try when one fails (3; 1 with --offer). A failed one is destroyed first.',
    env: 'FORGECTL_ATTEMPTS',
    helpValue: 'N',
    min: 1,
    max: 20,
  }),
  budget: positiveNumberFlag({
    description: 'Most to spend on all attempts until one is ready, in $; then it is destroyed (exit 6).',
    env: 'FORGECTL_BUDGET',
    helpValue: 'USD',
  }),
  'keep-failed': Flags.boolean({ description: 'Keep a failed machine for a look inside; it goes on billing.' }),
  'max-lifetime': durationFlag({
    description: 'The platform ends it after this time, at a full hour (UTC), without this computer. See --at-limit.',
    env: 'FORGECTL_MAX_LIFETIME',
    helpValue: '4h',
  }),
  'max-spend': positiveNumberFlag({
    description: 'The platform ends it at the last full hour before it has cost this much, in $. See --at-limit.',
    env: 'FORGECTL_MAX_SPEND',
    helpValue: 'USD',
  }),
  'at-limit': Flags.option({
    description: 'At a limit: stop keeps the disk and its price, destroy ends everything.',
    options: ['stop', 'destroy'] as const,
    env: 'FORGECTL_AT_LIMIT',
    default: 'stop' as const,
  })(),
};
