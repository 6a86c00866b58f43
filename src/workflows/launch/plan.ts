import { EXIT, ForgeError } from '../../errors.js';
import { ensurePort, hideCredentials } from '../../instance/forge-args.js';
import { DEFAULT_TEMPLATE } from '../../instance/forge-template.js';
import { parseDockerFlags } from '../../vast/launch-env.js';
import type { CreateRequest, Offer, Template } from '../../vast/model.js';
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
  template: TemplateChoice;
  request: CreateRequest;
  /** The user's own --port was replaced. */
  replacedPort: string | null;
  waitFor: Rung;
  timeoutMs: number;
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
  forgeArgs: string | null;
  env: Record<string, string>;
  bidPerHourUsd: number | null;
  waitFor: Rung;
  timeoutMs: number;
}

/** `template` null means that the API has none: forgectl's own definition is used. */
export function planLaunch(wishes: LaunchWishes, facts: { offer: Offer; template: Template | null }): LaunchPlan {
  const { offer, template } = facts;
  const diskGb = diskFor(wishes, template);
  if (diskGb > offer.diskSpaceGb) {
    throw new ForgeError(
      `Offer ${offer.id} has ${Math.floor(offer.diskSpaceGb)} GB of disk, ${diskGb} GB were asked for.`,
      {
        code: 'DISK_TOO_SMALL',
        exit: EXIT.noCapacity,
        hint: `forgectl offers --disk ${diskGb}`,
      },
    );
  }
  const { env, replacedPort } = launchEnv(wishes, template);
  const request: CreateRequest = {
    offerId: offer.id,
    label: wishes.label,
    diskGb,
    env,
    runtype: runtypeOf(template),
    onstart: template?.onstart.trim() || DEFAULT_TEMPLATE.onstart,
    ...imageAndTemplate(wishes, template),
    ...(wishes.bidPerHourUsd === null ? {} : { bidPrice: wishes.bidPerHourUsd }),
  };
  return {
    label: wishes.label,
    labelIsChosen: wishes.labelIsChosen,
    offer,
    price: estimatePrice(offer, diskGb, wishes.bidPerHourUsd),
    bidPerHourUsd: wishes.bidPerHourUsd,
    template: templateChoice(wishes, template),
    request,
    replacedPort,
    waitFor: wishes.waitFor,
    timeoutMs: wishes.timeoutMs,
  };
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
  if (wishes.provisioning === 'none') return { image: wishes.image ?? imageOf(template) };
  return { templateHashId: template.hashId, ...(wishes.image === null ? {} : { image: wishes.image }) };
}

function launchEnv(
  wishes: LaunchWishes,
  template: Template | null,
): { env: Record<string, string>; replacedPort: string | null } {
  const inherited = template === null ? DEFAULT_TEMPLATE.env : parseDockerFlags(template.env);
  const env: Record<string, string> = { ...inherited, ...wishes.env };
  if (wishes.provisioning === 'none') delete env['PROVISIONING_SCRIPT'];
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

function imageOf(template: Template): string {
  const tag = template.tag ?? '';
  return tag === '' || template.image.includes(`:${tag}`) ? template.image : `${template.image}:${tag}`;
}

/** For people and --json: names of variables, never their values. */
export function planDocument(plan: LaunchPlan): Record<string, unknown> {
  const { offer, price, request, template } = plan;
  return {
    label: plan.label,
    offer: offerSummary(offer),
    price_per_hour_usd: round(price.runningPerHourUsd),
    stopped_price_per_day_usd: round(price.stoppedPerDayUsd),
    download_estimate_usd: round(price.downloadUsd),
    first_hour_usd: round(price.firstHourUsd),
    interruptible: plan.bidPerHourUsd !== null,
    bid_per_hour_usd: plan.bidPerHourUsd,
    template: { source: template.source, name: template.name, id: template.source === 'api' ? template.id : null },
    image: template.image,
    disk_gb: request.diskGb,
    runtype: request.runtype,
    environment_names: Object.keys(request.env)
      .filter((name) => !name.startsWith('-'))
      .sort(),
    published_ports: Object.keys(request.env).flatMap((name) => /^-p\s+(\S+)$/u.exec(name)?.[1] ?? []),
    forge_args: shownForgeArgs(plan),
    provisioning: shownProvisioning(plan),
    wait_for: plan.waitFor,
    timeout_s: plan.timeoutMs / 1000,
  };
}

/** A flag may carry a user name and password. */
export function shownForgeArgs({ request }: LaunchPlan): string {
  return hideCredentials(request.env['FORGE_ARGS'] ?? '');
}

/** Without its query, which may carry a token; null when nothing is run at the first start. */
export function shownProvisioning({ request }: LaunchPlan): string | null {
  const url = request.env['PROVISIONING_SCRIPT'] ?? '';
  return url === '' ? null : url.replace(/\?.*$/su, '?…').replace(/\/\/[^/@]*@/u, '//…@');
}

function offerSummary(offer: Offer): Record<string, unknown> {
  return {
    id: offer.id,
    machine_id: offer.machineId,
    gpu_name: offer.gpuName,
    num_gpus: offer.numGpus,
    geolocation: offer.geolocation,
    reliability: offer.reliability,
  };
}

function round(usd: number): number {
  return Math.round(usd * 1e6) / 1e6;
}
