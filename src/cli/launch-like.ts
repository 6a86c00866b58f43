import { EXIT, ForgeError } from '../errors.js';
import { hideCredentials } from '../instance/forge-args.js';
import { isSecret } from '../secrets/redact.js';
import type { Instance } from '../vast/model.js';
import { ownWords } from './argv.js';
import type { ForgeContext } from './context.js';
import type { prepareLaunch } from './launch-choice.js';
import { launchFlags } from './launch-flags.js';

export type LaunchFlags = Parameters<typeof prepareLaunch>[1];

/** Variables that belong to the machine or to its first start, not to the user's work. */
const OWN_VARIABLES = /^(?:PROVISIONING_SCRIPT|CONTAINER_ID|VAST_\w+|PUBLIC_IPADDR|GPU_COUNT|CONTAINER_API_KEY)$/u;

/** What was typed counts; the rest is as the source has it. */
export async function flagsLike(
  context: ForgeContext,
  source: Pick<Instance, 'templateHashId' | 'imageUuid' | 'diskSpaceGb' | 'extraEnv'>,
  { flags, withSecrets }: { flags: LaunchFlags; withSecrets: boolean },
): Promise<LaunchFlags> {
  const { templates } = await context.vast();
  const hash = flags.template ?? source.templateHashId;
  // A template may be gone or private by now; the image says enough.
  const template = flags.template ?? (hash !== null && (await templates.find(hash)) !== null ? hash : undefined);
  const taken = source.extraEnv.filter(
    ([name, value]) =>
      /^[A-Za-z_]\w*$/u.test(name) &&
      name !== 'FORGE_ARGS' &&
      isTaken(name, value, withSecrets) &&
      !/[\r\n]/u.test(value),
  );
  const forgeArgs = source.extraEnv.find(([name]) => name === 'FORGE_ARGS')?.[1];
  return {
    ...flags,
    template,
    image: flags.image ?? source.imageUuid ?? undefined,
    disk: flags.disk ?? (source.diskSpaceGb === null ? undefined : Math.ceil(source.diskSpaceGb)),
    env: [...taken.map(([name, value]) => `${name}=${value}`), ...(flags.env ?? [])],
    'forge-args': flags['forge-args'] ?? forgeArgs,
    ...(flags['provisioning-file'] === undefined ? { provisioning: flags.provisioning ?? 'none' } : {}),
    'wait-for': 'provisioning',
  };
}

function isTaken(name: string, value: string, withSecrets: boolean): boolean {
  return !OWN_VARIABLES.test(name) && (withSecrets || (!isSecret(name, value) && hideCredentials(value) === value));
}

export function refuseSmallDisk(diskGb: number, bytes: number): void {
  const neededGb = Math.ceil(bytes / 1e9) + 2;
  if (diskGb >= neededGb) return;
  throw new ForgeError(`A disk of ${diskGb} GB does not take what is brought: ${neededGb} GB are needed.`, {
    code: 'DISK_TOO_SMALL',
    exit: EXIT.usage,
    hint: `--disk ${neededGb}`,
  });
}

/** Flags of a launch make no sense for a machine that is there. */
export function refuseLaunchFlags(argv: readonly string[]): void {
  const shared = new Set(['ssh-key', 'timeout']);
  const typed = ownWords(argv).flatMap((word) => /^--(?:no-)?([\w-]+)/u.exec(word)?.[1] ?? []);
  const wrong = typed.find((name) => name in launchFlags && !shared.has(name));
  if (wrong === undefined) return;
  throw new ForgeError(`--${wrong} is about a new machine.`, {
    code: 'USAGE',
    exit: EXIT.usage,
    hint: 'Give --to-new instead of the machine, or leave it out.',
  });
}
