import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { EXIT, ForgeError } from '../errors.js';
import type { Identity } from '../ssh/identity.js';
import type { Offer, Template } from '../vast/model.js';
import { diskFor, type LaunchPlan, planLaunch } from '../workflows/launch/plan.js';
import { cheapestFirst, rankOffers } from '../workflows/launch/rank-offers.js';
import type { Rung } from '../workflows/readiness/rungs.js';
import type { ForgeContext } from './context.js';
import { parseEnvFile, parseEnvPairs } from './env-pairs.js';
import { describeWishes, type OfferWishes, offerQuery } from './offer-flags.js';
import { offerChoiceLine } from './offer-output.js';
import { offerWishes } from './offer-wishes.js';

type LaunchFlags = Parameters<typeof offerWishes>[0] & {
  offer?: number | undefined;
  cheapest: boolean;
  best: boolean;
  bid?: number | undefined;
  template?: string | undefined;
  image?: string | undefined;
  provisioning?: string | undefined;
  'forge-args'?: string | undefined;
  env?: string[] | undefined;
  'env-file'?: string | undefined;
  label?: string | undefined;
  'ssh-key'?: string | undefined;
  'wait-for': Rung;
  timeout: number;
  yes: boolean;
  'dry-run': boolean;
};

/** All questions and all reading, before the first effect. */
export async function prepareLaunch(
  context: ForgeContext,
  flags: LaunchFlags,
): Promise<{ plan: LaunchPlan; identity: Identity }> {
  refuseMissingAnswers(context, flags);
  const env = await environment(flags);
  const identity = await context.identity(flags['ssh-key'] ?? context.settings.get('ssh_key'));
  const template = await findTemplate(context, flags.template ?? context.settings.get('template'));
  const asked = offerWishes(flags, context, { interruptible: flags.bid !== undefined, limit: 1000 });
  const diskGb = diskFor({ diskGb: flags.disk ?? context.settings.get('disk') }, template);
  const offer = await chooseOffer(context, flags, { ...asked, diskGb });
  const plan = planLaunch(
    {
      label: flags.label?.trim() || `forge-${randomLabel()}`,
      labelIsChosen: Boolean(flags.label?.trim()),
      diskGb,
      image: flags.image ?? null,
      provisioning: flags.provisioning ?? context.settings.get('provisioning'),
      forgeArgs: flags['forge-args'] ?? null,
      env,
      bidPerHourUsd: flags.bid ?? null,
      waitFor: flags['wait-for'],
      timeoutMs: flags.timeout,
    },
    { offer, template },
  );
  return { plan, identity };
}

/** Without a terminal nothing can be asked: name the flags now, not after the search. */
function refuseMissingAnswers(context: ForgeContext, flags: LaunchFlags): void {
  if (context.terminal.canPrompt) return;
  if (flags.offer === undefined && !flags.cheapest && !flags.best) {
    throw context.prompts.needAnswer(['--offer', '--cheapest', '--best'], 'The choice of an offer');
  }
  if (!flags.yes && !flags['dry-run']) throw context.prompts.needAnswer(['--yes'], 'A confirmation');
}

async function environment(flags: LaunchFlags): Promise<Record<string, string>> {
  const file = flags['env-file'];
  if (file === undefined) return parseEnvPairs(flags.env ?? []);
  const text = await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new ForgeError(`The file ${file} cannot be read (${cause.code}).`, {
      code: 'ENV_FILE',
      exit: EXIT.usage,
      hint: 'Check --env-file.',
      cause,
    });
  });
  return { ...parseEnvFile(text, file), ...parseEnvPairs(flags.env ?? []) };
}

/**
 * Null means forgectl's own definition. By default only what the platform itself recommends counts: anybody may publish a
 * template of that name. One that was asked for must exist.
 */
async function findTemplate(context: ForgeContext, wanted: string | null): Promise<Template | null> {
  const vast = await context.vast();
  if (wanted === null) return vast.templates.findRecommended(FORGE_TEMPLATE_NAME);
  const template = await vast.templates.find(wanted);
  if (template !== null) return template;
  throw new ForgeError(`There is no template "${wanted}".`, {
    code: 'TEMPLATE_NOT_FOUND',
    exit: EXIT.notFound,
    hint: 'Leave --template out for the Forge template, or give its name, hash or id.',
  });
}

/** docs: the recommended template of the platform's own account. */
const FORGE_TEMPLATE_NAME = 'Stable Diffusion WebUI Forge';

async function chooseOffer(context: ForgeContext, flags: LaunchFlags, wishes: OfferWishes): Promise<Offer> {
  const vast = await context.vast();
  if (flags.offer !== undefined) return oneOffer(context, flags.offer, wishes);
  const offers = await vast.offers.search(offerQuery(wishes));
  context.reporter.info(`Filters: ${describeWishes(wishes)} → ${offers.length} offers`);
  const ranked = rankOffers(offers, wishes.diskGb);
  const best = flags.cheapest ? cheapestFirst(offers, wishes.diskGb)[0] : ranked[0]?.offer;
  if (best === undefined) {
    throw new ForgeError('No offer matches.', {
      code: 'NO_OFFER',
      exit: EXIT.noCapacity,
      hint: `The filters were: ${describeWishes(wishes)}. Widen --gpu, --max-price, --region or --reliability.`,
    });
  }
  if (flags.cheapest || flags.best) return best;
  return context.prompts.choose(
    'Which machine?',
    ranked.slice(0, 200).map((verdict) => ({ value: verdict.offer, ...offerChoiceLine(verdict, wishes.diskGb) })),
  );
}

/** By id the user's word outranks the default filters: only "is it there" counts. */
async function oneOffer(context: ForgeContext, id: number, wishes: OfferWishes): Promise<Offer> {
  const vast = await context.vast();
  const { type, allocatedStorageGb } = offerQuery(wishes);
  const [offer] = await vast.offers.search({
    filters: { id: { eq: id } },
    order: [],
    limit: 1,
    type,
    allocatedStorageGb,
  });
  if (offer !== undefined) return offer;
  throw new ForgeError(`Offer ${id} is not there any more.`, {
    code: 'OFFER_GONE',
    exit: EXIT.noCapacity,
    hint: 'forgectl offers lists what is left.',
  });
}

/** Eight letters and digits without those that look alike: unique among one account's instances. */
function randomLabel(): string {
  const alphabet = 'abcdefghjkmnpqrstuvwxyz23456789';
  return [...randomBytes(8)].map((byte) => alphabet[byte % alphabet.length]).join('');
}
