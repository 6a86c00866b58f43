import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { EXIT, ForgeError } from '../errors.js';
import { newNonce } from '../instance/host-key-line.js';
import type { Identity } from '../ssh/identity.js';
import type { Offer, Template } from '../vast/model.js';
import { diskFor, imageOf, type LaunchPlan, type LaunchWishes, planLaunch } from '../workflows/launch/plan.js';
import { type LimitAction, type LimitTime, limitTime, limitWish } from '../workflows/limits/limit-time.js';
import { fitOf, imageNeeds } from '../workflows/offers/image-needs.js';
import { inOrder, rankOffers } from '../workflows/offers/rank-offers.js';
import type { Rung } from '../workflows/readiness/rungs.js';
import { onDemandPrice, refuseDearBid } from './bid-choice.js';
import type { ForgeContext } from './context.js';
import { parseEnvFile, parseEnvPairs } from './env-pairs.js';
import { filterLines } from './filter-lines.js';
import { noneUsable, noOffer } from './no-offer.js';
import { offerFilters, queryOf } from './offer-filters.js';
import { offerChoiceLine } from './offer-output.js';
import { type OfferFlagValues, type OfferWishes, offerWishes, rankTerms } from './offer-wishes.js';

type LaunchFlags = OfferFlagValues & {
  offer?: number | undefined;
  cheapest: boolean;
  best: boolean;
  bid?: number | undefined;
  template?: string | undefined;
  image?: string | undefined;
  provisioning?: string | undefined;
  'provisioning-file'?: string | undefined;
  'provisioning-unchecked': boolean;
  'forge-args'?: string | undefined;
  env?: string[] | undefined;
  'env-file'?: string | undefined;
  label?: string | undefined;
  'ssh-key'?: string | undefined;
  'wait-for': Rung;
  timeout: number;
  attempts?: number | undefined;
  budget?: number | undefined;
  'keep-failed': boolean;
  'max-lifetime'?: number | undefined;
  'max-spend'?: number | undefined;
  'at-limit': LimitAction;
  yes: boolean;
  'dry-run': boolean;
};

/** All questions and all reading, before the first effect. */
export async function prepareLaunch(
  context: ForgeContext,
  flags: LaunchFlags,
  argv: readonly string[],
): Promise<{
  plan: LaunchPlan;
  limit: LimitTime | null;
  identity: Identity;
  envNames: string[];
  script: string | null;
}> {
  refuseMissingAnswers(context, flags);
  const env = await environment(flags);
  const provisioningFile = await provisioningFileOf(context, flags);
  const identity = await context.identity(flags['ssh-key'] ?? context.settings.get('ssh_key'));
  const template = await findTemplate(context, flags.template ?? context.settings.get('template'));
  const asked = offerWishes(flags, context, {
    interruptible: flags.bid !== undefined,
    bidPerHourUsd: flags.bid ?? null,
  });
  const diskGb = diskFor({ diskGb: flags.disk ?? context.settings.get('disk') }, template);
  const image = imageNeeds(flags.image ?? (template === null ? null : imageOf(template)));
  const wishes = { ...asked, diskGb, image };
  const offer = await chooseOffer(context, { flags, wishes, argv });
  const onDemandPerHourUsd = flags.bid === undefined ? null : await onDemandPrice(context, offer, diskGb);
  const plan = planLaunch(
    {
      label: flags.label?.trim() || `forge-${randomLabel()}`,
      labelIsChosen: Boolean(flags.label?.trim()),
      diskGb,
      image: flags.image ?? null,
      provisioning: flags.provisioning ?? context.settings.get('provisioning'),
      provisioningFile,
      forgeArgs: flags['forge-args'] ?? null,
      env,
      bidPerHourUsd: flags.bid ?? null,
      waitFor: flags['wait-for'],
      timeoutMs: flags.timeout,
      failOver: failOver(flags, wishes),
      limits: {
        maxLifetimeMs: flags['max-lifetime'] ?? null,
        maxSpendUsd: flags['max-spend'] ?? null,
        action: flags['at-limit'],
      },
      nonce: newNonce(),
    },
    { offer, template, onDemandPerHourUsd },
  );
  refuseDearBid(plan, asked.maxPriceUsd);
  const script = provisioningFile?.text ?? null;
  return { plan, limit: limitFrom(plan, context.clock.now()), identity, envNames: typedNames(env, flags), script };
}

async function provisioningFileOf(
  context: ForgeContext,
  flags: LaunchFlags,
): Promise<{ name: string; sha256: string; text: string } | null> {
  if (flags['provisioning-file'] === undefined) return null;
  const { checkedScript } = await import('./kept-script.js');
  return checkedScript(context, flags['provisioning-file'], {
    diskGb: flags.disk ?? context.settings.get('disk'),
    isChecked: !flags['provisioning-unchecked'],
  });
}

/** As if it were rented now. A limit that the platform cannot keep is refused before anything is rented. */
function limitFrom({ limits, price }: LaunchPlan, nowMs: number): LimitTime | null {
  return limitTime(limitWish(limits, price, nowMs), { sinceMs: nowMs, nowMs });
}

/** Variables whose values came from the user, so that no template can give them again. */
function typedNames(env: Record<string, string>, flags: LaunchFlags): string[] {
  const arguments_ = flags['forge-args'] === undefined ? [] : ['FORGE_ARGS'];
  const script = flags.provisioning === undefined ? [] : ['PROVISIONING_SCRIPT'];
  return [...Object.keys(env), ...arguments_, ...script];
}

/** An offer that was named is the user's choice: another one is taken only when more attempts were asked for. */
function failOver(flags: LaunchFlags, wishes: OfferWishes): LaunchWishes['failOver'] {
  const isNamed = flags.offer !== undefined;
  const attempts = flags.attempts ?? (isNamed ? 1 : DEFAULT_ATTEMPTS);
  return {
    attempts,
    budgetUsd: flags.budget ?? null,
    search:
      isNamed && attempts === 1
        ? null
        : { query: queryOf(offerFilters(wishes), wishes), order: flags.cheapest ? 'cheapest' : 'best' },
    maxPerHourUsd: wishes.maxPriceUsd,
    keepFailed: flags['keep-failed'],
  };
}

const DEFAULT_ATTEMPTS = 3;

/** Without a terminal nothing can be asked: name the flags now, not after the search. */
function refuseMissingAnswers(context: ForgeContext, flags: LaunchFlags): void {
  if (context.terminal.canPrompt) return;
  if (flags.offer === undefined && !flags.cheapest && !flags.best) {
    throw context.prompts.needAnswer(['--offer', '--cheapest', '--best'], 'The choice of an offer');
  }
  if (!flags.yes && !flags['dry-run']) throw context.prompts.needAnswer(['--yes'], 'A confirmation');
}

/** The container's variables, from a file and from the line. */
export async function environment(flags: Pick<LaunchFlags, 'env' | 'env-file'>): Promise<Record<string, string>> {
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

interface OfferChoice {
  flags: LaunchFlags;
  wishes: OfferWishes;
  argv: readonly string[];
}

async function chooseOffer(context: ForgeContext, choice: OfferChoice): Promise<Offer> {
  const { flags, wishes } = choice;
  const vast = await context.vast();
  if (flags.offer !== undefined) return oneOffer(context, flags.offer, wishes);
  const filters = offerFilters(wishes);
  const avoided = new Set(context.avoidedHosts.list().map(({ machineId }) => machineId));
  const all = await vast.offers.search(queryOf(filters, wishes));
  const offers = all.filter(({ machineId }) => !avoided.has(machineId));
  const without = all.length === offers.length ? '' : ` (${all.length - offers.length} avoided: forgectl hosts ls)`;
  const found = ` → ${offers.length} offers${without}`;
  for (const line of filterLines(filters, wishes, found)) context.reporter.info(line);
  const terms = rankTerms(wishes);
  const [chosen] = inOrder(flags.cheapest ? 'cheapest' : 'best', offers, terms);
  if (chosen === undefined) {
    throw all.length > 0
      ? noneUsable(all.length, all.length - offers.length)
      : await noOffer(await context.vast(), wishes, { command: 'launch', argv: choice.argv });
  }
  if (flags.cheapest || flags.best) return chosen;
  return context.prompts.choose(
    'Which machine?',
    rankOffers(offers, terms)
      .slice(0, 200)
      .map((verdict) => ({ value: verdict.offer, ...offerChoiceLine(verdict, wishes.diskGb) })),
  );
}

/** By id the user's word outranks the default filters: only "is it there" counts. */
async function oneOffer(context: ForgeContext, id: number, wishes: OfferWishes): Promise<Offer> {
  const vast = await context.vast();
  const [offer] = await vast.offers.search({
    ...queryOf([], wishes),
    filters: { id: { eq: id } },
    order: [],
    limit: 1,
  });
  if (offer === undefined) {
    throw new ForgeError(`Offer ${id} is not there any more.`, {
      code: 'OFFER_GONE',
      exit: EXIT.noCapacity,
      hint: 'forgectl offers lists what is left.',
    });
  }
  const { verdict, reason } = fitOf(offer, wishes.image);
  if (verdict !== 'yes')
    context.reporter.warn(`The image ${verdict === 'no' ? 'cannot' : 'may not'} run on offer ${id}: ${reason}.`);
  return offer;
}

/** Eight letters and digits without those that look alike: unique among one account's instances. */
function randomLabel(): string {
  const alphabet = 'abcdefghjkmnpqrstuvwxyz23456789';
  return [...randomBytes(8)].map((byte) => alphabet[byte % alphabet.length]).join('');
}
