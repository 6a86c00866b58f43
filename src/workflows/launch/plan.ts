import { EXIT, ForgeError } from '../../errors.js';
import { type CarriedBy, carryScript } from '../../instance/carried-script.js';
import { ensurePort } from '../../instance/forge-args.js';
import { DEFAULT_TEMPLATE } from '../../instance/forge-template.js';
import { withHostKeyLine } from '../../instance/host-key-line.js';
import { LOCAL_SCRIPT } from '../../instance/provisioning-run.js';
import { parseDockerFlags } from '../../vast/launch-env.js';
import type { CreateRequest, Offer, Template } from '../../vast/model.js';
import type { OfferQuery } from '../../vast/offers.js';
import type { SpendLimits } from '../limits/limit-time.js';
import { imageNeeds } from '../offers/image-needs.js';
import type { RankTerms } from '../offers/score-offer.js';
import { estimatePrice, type PriceEstimate } from '../price.js';
import type { Rung } from '../readiness/rungs.js';

/** Everything that was decided before the first effect. Plain data; `--dry-run` prints it. */
export interface LaunchPlan {
  label: string;
  /** The user's own word, which may be in use; a made-up one is unique. */
  labelIsChosen: boolean;
  offer: Offer;
  price: PriceEstimate;
  bidPerHourUsd: number | null;
  /** With a bid: GPU and disk of the same offer on demand; null when it is not offered so, or nobody has asked. */
  onDemandPerHourUsd: number | null;
  template: TemplateChoice;
  request: CreateRequest;
  /** The user's own --port was replaced. */
  replacedPort: string | null;
  /** A script of this computer, which the machine runs at its first start; its text is kept elsewhere. */
  provisioningFile?: CarriedFile | null;
  waitFor: Rung;
  timeoutMs: number;
  failOver: FailOver;
  limits: SpendLimits;
}

interface CarriedFile {
  name: string;
  sha256: string;
  bytes: number;
  by: CarriedBy;
}

/** What happens when a machine fails. */
interface FailOver {
  /** Machines to try, the first included. */
  attempts: number;
  /** $ for all of them together until one is ready; null for no limit. */
  budgetUsd: number | null;
  /** How the next one is found and put in order; null when the user has named the offer. */
  search: { query: OfferQuery; order: 'best' | 'cheapest' } | null;
  /** The next one may cost at most this, $/hour while running. */
  maxPerHourUsd: number;
  /** A failed machine stays for a look inside, and goes on billing. */
  keepFailed: boolean;
}

/** Which definition of Forge the machine is made from. */
type TemplateChoice =
  | { source: 'api'; id: number; hashId: string; name: string; image: string }
  | { source: 'built-in'; name: string; image: string };

export interface LaunchWishes {
  label: string;
  labelIsChosen: boolean;
  diskGb: number | null;
  image: string | null;
  /** A URL, "none", or null for what the template says. */
  provisioning: string | null;
  /** Instead of it: a script of this computer. */
  provisioningFile?: { name: string; sha256: string; text: string } | null;
  forgeArgs: string | null;
  env: Record<string, string>;
  bidPerHourUsd: number | null;
  waitFor: Rung;
  timeoutMs: number;
  failOver: Omit<FailOver, 'maxPerHourUsd'> & { maxPerHourUsd: number | null };
  limits: SpendLimits;
  /** Random; proves the host key (instance/host-key-line). */
  nonce: string;
}

/** `template` null means that the API has none: forgectl's own definition is used. */
export function planLaunch(
  wishes: LaunchWishes,
  facts: { offer: Offer; template: Template | null; onDemandPerHourUsd?: number | null },
): LaunchPlan {
  const { offer, template } = facts;
  const diskGb = diskFor(wishes, template);
  refuseSmallDisk(offer, diskGb);
  refuseLowBid(offer, wishes.bidPerHourUsd);
  const price = estimatePrice(offer, diskGb, wishes.bidPerHourUsd);
  const { env, replacedPort } = launchEnv(wishes, template);
  const start = startScript(wishes, template);
  const request: CreateRequest = {
    offerId: offer.id,
    label: wishes.label,
    diskGb,
    env,
    runtype: runtypeOf(template),
    onstart: start.onstart,
    ...imageAndTemplate(wishes, template),
    ...(wishes.bidPerHourUsd === null ? {} : { bidPrice: wishes.bidPerHourUsd }),
  };
  return {
    label: wishes.label,
    labelIsChosen: wishes.labelIsChosen,
    offer,
    price,
    bidPerHourUsd: wishes.bidPerHourUsd,
    onDemandPerHourUsd: facts.onDemandPerHourUsd ?? null,
    template: templateChoice(wishes, template),
    request,
    replacedPort,
    provisioningFile: start.file,
    waitFor: wishes.waitFor,
    timeoutMs: wishes.timeoutMs,
    failOver: {
      ...wishes.failOver,
      maxPerHourUsd: wishes.failOver.maxPerHourUsd ?? price.runningPerHourUsd * DEARER_AT_MOST,
    },
    limits: wishes.limits,
  };
}

function startScript(
  { provisioningFile: file = null, nonce, waitFor }: LaunchWishes,
  template: Template | null,
): { onstart: string; file: CarriedFile | null } {
  const own = template?.onstart.trim() || DEFAULT_TEMPLATE.onstart;
  if (file === null) return { onstart: withHostKeyLine(own, nonce), file: null };
  const { onstart, by } = carryScript(own, file.text, nonce);
  if (by === 'ssh' && waitFor === 'api') {
    throw new ForgeError(`${file.name} is too large for the start script, and nobody waits to bring it over SSH.`, {
      code: 'PROVISIONING_TOO_LARGE',
      exit: EXIT.usage,
      hint: 'Wait for more than the API (--wait-for ssh), or host it and give --provisioning URL.',
    });
  }
  return { onstart, file: { name: file.name, sha256: file.sha256, bytes: Buffer.byteLength(file.text), by } };
}

/** The price that was agreed to is not left far behind without a new question. */
const DEARER_AT_MOST = 1.25;

function refuseSmallDisk(offer: Offer, diskGb: number): void {
  if (diskGb <= offer.diskSpaceGb) return;
  throw new ForgeError(
    `Offer ${offer.id} has ${Math.floor(offer.diskSpaceGb)} GB of disk, ${diskGb} GB were asked for.`,
    { code: 'DISK_TOO_SMALL', exit: EXIT.noCapacity, hint: `forgectl offers --disk ${diskGb}` },
  );
}

/** A bid below the least one makes a stopped contract that bills its disk (vast-api 4). */
function refuseLowBid(offer: Offer, bidPerHourUsd: number | null): void {
  if (bidPerHourUsd === null || offer.minBid === null || bidPerHourUsd >= offer.minBid) return;
  throw new ForgeError(`Offer ${offer.id} takes bids from $${offer.minBid}/h; $${bidPerHourUsd}/h is too little.`, {
    code: 'BID_TOO_LOW',
    exit: EXIT.moneyLimit,
    hint: `--bid ${offer.minBid}`,
    details: { offer_id: offer.id, min_bid_per_hour_usd: offer.minBid },
  });
}

/** The same plan on another machine. */
export function withOffer(plan: LaunchPlan, offer: Offer): LaunchPlan {
  refuseSmallDisk(offer, plan.request.diskGb);
  refuseLowBid(offer, plan.bidPerHourUsd);
  return {
    ...plan,
    offer,
    price: estimatePrice(offer, plan.request.diskGb, plan.bidPerHourUsd),
    onDemandPerHourUsd: offer.id === plan.offer.id ? plan.onDemandPerHourUsd : null,
    request: { ...plan.request, offerId: offer.id },
  };
}

/** How other offers are compared for this plan. */
export function termsOf(plan: LaunchPlan): RankTerms {
  const { request, template, bidPerHourUsd } = plan;
  return { diskGb: request.diskGb, image: imageNeeds(template.image), bidPerHourUsd };
}

/** The disk size is fixed for the machine's life, so a template's recommendation is a floor only when nothing was asked. */
export function diskFor(wishes: Pick<LaunchWishes, 'diskGb'>, template: Template | null): number {
  return wishes.diskGb ?? Math.max(template?.recommendedDiskSpaceGb ?? 0, DEFAULT_TEMPLATE.diskGb);
}

/**
 * A variable can be taken away only by sending the whole environment without the template: the API merges key by key
 * (docs: template precedence), so `--provisioning none` carries the template's other values along and leaves its hash out.
 */
function imageAndTemplate(
  wishes: LaunchWishes,
  template: Template | null,
): Pick<CreateRequest, 'image' | 'templateHashId'> {
  if (template === null) return { image: wishes.image ?? DEFAULT_TEMPLATE.image };
  if (wishes.provisioning === 'none' && !wishes.provisioningFile) return { image: wishes.image ?? imageOf(template) };
  return { templateHashId: template.hashId, ...(wishes.image === null ? {} : { image: wishes.image }) };
}

function launchEnv(
  wishes: LaunchWishes,
  template: Template | null,
): { env: Record<string, string>; replacedPort: string | null } {
  const inherited = template === null ? DEFAULT_TEMPLATE.env : parseDockerFlags(template.env);
  const env: Record<string, string> = { ...inherited, ...wishes.env };
  if (wishes.provisioningFile) env['PROVISIONING_SCRIPT'] = LOCAL_SCRIPT;
  else if (wishes.provisioning === 'none') delete env['PROVISIONING_SCRIPT'];
  else if (wishes.provisioning !== null) env['PROVISIONING_SCRIPT'] = wishes.provisioning;
  const ensured = ensurePort(wishes.forgeArgs ?? env['FORGE_ARGS'] ?? '');
  env['FORGE_ARGS'] = ensured.args;
  env['OPEN_BUTTON_PORT'] ??= '1111';
  return { env, replacedPort: ensured.replacedPort };
}

/** Direct when the template allows it: `ssh_direct` and `jupyter_direct` fall back to the proxy by themselves. */
function runtypeOf(template: Template | null): string {
  if (template === null) return DEFAULT_TEMPLATE.runtype;
  const jupyter = template.runtype?.includes('jupyter') ?? false;
  if (jupyter) return template.jupDirect ? 'jupyter_direct' : 'jupyter_proxy';
  return template.sshDirect ? 'ssh_direct' : 'ssh_proxy';
}

function templateChoice(wishes: LaunchWishes, template: Template | null): TemplateChoice {
  if (template === null)
    return { source: 'built-in', name: DEFAULT_TEMPLATE.name, image: wishes.image ?? DEFAULT_TEMPLATE.image };
  const { id, hashId, name } = template;
  return { source: 'api', id, hashId, name, image: wishes.image ?? imageOf(template) };
}

export function imageOf(template: Template): string {
  const tag = template.tag ?? '';
  return tag === '' || template.image.includes(`:${tag}`) ? template.image : `${template.image}:${tag}`;
}
