import { EXIT, ForgeError } from '../../errors.js';
import type { PassageBy } from '../../instance/migration/direct/passage.js';
import type { MachineLook } from '../../instance/migration/machine-look.js';
import type { Instance } from '../../vast/model.js';
import type { Verify } from '../copy/verify.js';
import { billedNowPerHourUsd, priceOfInstance } from '../price.js';
import { isWorthDeflating } from './deflate.js';
import type { TransportName } from './transport.js';
import type { TreeSummary } from './tree-summary.js';

/** What becomes of the source when the destination answers. */
type Afterwards = 'keep' | 'stop' | 'destroy';

export interface Wishes {
  include: readonly string[];
  exclude: readonly string[];
  via: TransportName | 'auto';
  verify: Exclude<Verify, 'none'>;
  afterwards: Afterwards;
  /** Forge goes on at the source during the last pass too. */
  keepSourceRunning: boolean;
  allowImageMismatch: boolean;
  bwlimit: number | null;
  parallel: number | null;
  stallMs: number;
  timeoutMs: number;
  sshKey: string | null;
}

export interface End {
  id: number;
  label: string | null;
  workspace: string;
  image: string | null;
  envHash: string | null;
  freeBytes: number;
  forgeRan: boolean;
  /** It does not run and is only known by what the platform lists; of a source. */
  isStopped: boolean;
  /** $/GB; null when the row does not say. */
  trafficUsdPerGb: number | null;
}

/** Plain data: printed by --dry-run, kept in the journal. */
export interface MigratePlan {
  kind: 'migrate' | 'clone';
  source: End;
  destination: End;
  /** $/h now and while it runs, $/day while it is stopped; null where the row does not say. */
  sourcePrice?: { nowPerHourUsd: number | null; runningPerHourUsd: number | null; stoppedPerDayUsd: number | null };
  moves: { files: number; bytes: number; biggest: { path: string; bytes: number }[] };
  leftOut: { pattern: string; reason: string; bytes: number; files: number }[];
  /** Links that lead out of the workspace: they move as they are. */
  linksOut: string[];
  /** What of the destination's is dropped when all is proved. */
  overwrites: { path: string; files: number; bytes: number }[];
  differences: { what: string; source: string; destination: string; breaks: string }[];
  via: TransportName;
  /** Who logs in to whom, for the direct way. */
  passage: PassageBy | null;
  /** Small files of text go deflated: the line is slow enough. */
  deflates: boolean;
  /** Why not the faster way; null when it is taken or another was asked for. */
  whyVia: string | null;
  traffic: { isFree: boolean; why: string | null; usd: number | null };
  /** Of the first pass; null when nothing tells how fast the way is. */
  expectedS: number | null;
  isDrawing: boolean | null;
  wishes: Wishes;
}

export interface Side {
  instance: Instance;
  look: MachineLook;
  workspace: string;
  freeBytes: number;
  isStopped: boolean;
}

export interface PlanInput {
  kind: MigratePlan['kind'];
  source: Side;
  destination: Side;
  summary: TreeSummary;
  /** Whose sshd was reached from the other; null when nobody has tried. */
  reach: { source: boolean; destination: boolean } | null;
  wishes: Wishes;
}

export function planMigration(input: PlanInput): MigratePlan {
  const { source, destination, summary, wishes } = input;
  const { via, why, passage } = chooseVia(input);
  const traffic = trafficOf(source.instance, destination.instance, { bytes: summary.bytes, via });
  return {
    kind: input.kind,
    source: endOf(source, source.instance.inetUpCostPerGb),
    destination: endOf(destination, destination.instance.inetDownCostPerGb),
    sourcePrice: {
      nowPerHourUsd: billedNowPerHourUsd(source.instance),
      ...priceOfInstance(source.instance),
    },
    moves: { files: summary.files, bytes: summary.bytes, biggest: summary.biggest },
    leftOut: summary.leftOut,
    linksOut: summary.linksOut,
    overwrites: summary.overwrites,
    differences: findDifferences(source, destination),
    via,
    passage,
    deflates: via === 'direct' && isWorthDeflating(source.instance, destination.instance),
    whyVia: why,
    traffic,
    expectedS: expectedSeconds(source.instance, destination.instance, { bytes: summary.bytes, wishes }),
    isDrawing: source.look.isDrawing,
    wishes,
  };
}

function endOf({ instance, look, workspace, freeBytes, isStopped }: Side, trafficUsdPerGb: number | null): End {
  return {
    id: instance.id,
    label: instance.label,
    workspace,
    image: instance.imageUuid,
    envHash: look.envHash,
    freeBytes,
    forgeRan: look.forgeRuns === true,
    isStopped,
    trafficUsdPerGb,
  };
}

/** What can be seen while it goes, and proved, is preferred: the platform's copy says neither. */
function chooseVia(input: PlanInput): { via: TransportName; passage: PassageBy | null; why: string | null } {
  const { via } = input.wishes;
  if (via === 'relay' || via === 'api') return { via, passage: null, why: null };
  const found = findPassage(input);
  if (typeof found !== 'string') return { via: 'direct', passage: found.by, why: null };
  if (via === 'auto') return { via: 'relay', passage: null, why: found };
  throw new ForgeError(`The machines cannot copy directly: ${found}.`, {
    code: 'NO_PASSAGE',
    exit: EXIT.notReady,
    hint: 'Through this computer: --via relay',
  });
}

/** Or why there is none. */
function findPassage({
  source: { look: from },
  destination: { look: to },
  reach,
}: PlanInput): { by: PassageBy } | string {
  if (!from.hasPython) return 'the source has no Python';
  if (!to.hasPython) return 'the destination has no Python';
  if (reach?.source && to.hasSsh) return { by: 'pull' };
  if (reach?.destination && from.hasSsh) return { by: 'push' };
  if (!reach?.source && !reach?.destination) return 'neither of them reaches the other';
  return reach.source ? 'the destination has no ssh' : 'the source has no ssh';
}

/** docs: data movement. Between machines of one host or one local network nothing is billed. */
function trafficOf(
  source: Instance,
  destination: Instance,
  { bytes, via }: { bytes: number; via: TransportName },
): MigratePlan['traffic'] {
  const isSame = <T>(one: T | null, other: T | null): boolean => one !== null && one === other;
  const isOneHost = isSame(source.machineId, destination.machineId);
  const isOneLan = isSame(source.publicIpaddr, destination.publicIpaddr);
  // Through this computer even neighbours use their lines.
  if (via !== 'relay' && (isOneHost || isOneLan))
    return { isFree: true, why: isOneHost ? 'the same host' : 'the same local network', usd: 0 };
  const [up, down] = [source.inetUpCostPerGb, destination.inetDownCostPerGb];
  return { isFree: false, why: null, usd: up === null || down === null ? null : (bytes / 1e9) * (up + down) };
}

function findDifferences(source: Side, destination: Side): MigratePlan['differences'] {
  const found: MigratePlan['differences'] = [];
  const compare = (what: string, [one, other]: [string | null, string | null], breaks: string): void => {
    if (one === null || other === null || one === other) return;
    found.push({ what, source: one, destination: other, breaks });
  };
  const { look: from, instance: sourceRow } = source;
  const { look: to, instance: destinationRow } = destination;
  compare('image', [sourceRow.imageUuid, destinationRow.imageUuid], 'packages, CUDA and start scripts may not fit');
  compare('environment', [from.envHash, to.envHash], "the freeze may ask for what this image's python does not take");
  compare('python', [minor(from.pythonVersion), minor(to.pythonVersion)], 'compiled packages will not load');
  return found;
}

function minor(version: string | null): string | null {
  return version === null ? null : version.split('.').slice(0, 2).join('.');
}

/** What a line of the market carries in practice beside what its row says. */
const SHARE_OF_LINE = 0.7;

function expectedSeconds(
  source: Instance,
  destination: Instance,
  { bytes, wishes }: { bytes: number; wishes: Wishes },
): number | null {
  const lines = [source.inetUpMbitPerS, destination.inetDownMbitPerS].filter((line) => line !== null);
  const rates = lines.map((line) => ((line * 1e6) / 8) * SHARE_OF_LINE);
  if (wishes.bwlimit !== null) rates.push(wishes.bwlimit);
  return rates.length === 0 ? null : Math.max(1, Math.round(bytes / Math.min(...rates)));
}
