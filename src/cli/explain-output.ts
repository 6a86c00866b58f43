import { formatPerHour, formatUsd } from '../ui/format.js';
import type { AvoidedHost } from '../workflows/avoided-hosts.js';
import type { PartName, ScorePart } from '../workflows/offers/score-offer.js';
import type { ForgeContext } from './context.js';
import type { Explanation } from './explain-offers.js';
import { flagWords } from './filter-lines.js';

/** What each part is called and what went into it, in words. */
const PARTS: Record<PartName, { title: string; words: (inputs: ScorePart['inputs']) => string }> = {
  speed: {
    title: 'speed',
    words: (of) => told(of['dlperf_per_gpu'], (dlperf) => `dlperf ${dlperf.toFixed(1)} a card`),
  },
  memory: { title: 'video memory', words: (of) => `${Math.round(Number(of['gpu_ram_mb']) / 1024)} GB a card` },
  price: { title: 'price', words: (of) => `${formatPerHour(Number(of['gpu_per_hour_usd']))} for the GPU` },
  disk: { title: 'disk', words: (of) => `${of['disk_gb']} GB, ${formatPerHour(Number(of['disk_per_hour_usd']))}` },
  download: {
    title: 'download',
    words: (of) => `${of['download_gb']} GB once, ${formatUsd(Number(of['download_usd']))}`,
  },
  start: {
    title: 'start',
    words: (of) =>
      `~${Math.round(Number(of['boot_minutes']))} min until Forge answers, line ${told(of['inet_down_mbit_per_s'], (line) => `${Math.round(line)} Mbit/s`)}`,
  },
  reliability: {
    title: 'reliability',
    words: (of) => told(of['reliability'], (share) => `${(share * 100).toFixed(2)}%`),
  },
  verification: { title: 'verification', words: (of) => (of['verified'] === true ? 'verified' : 'not verified') },
  ports: { title: 'direct ports', words: (of) => told(of['direct_port_count'], String) },
  image: { title: 'runs the image', words: (of) => `${of['runs_image']}: ${of['reason']}` },
};

function told(value: unknown, words: (value: number) => string): string {
  return typeof value === 'number' ? words(value) : 'not told';
}

/** Parts without a neutral value say how they stand beside the middle offer. */
const RELATIVE = new Set<PartName>(['speed', 'price']);

export async function explanationText(
  explanation: Explanation,
  avoided: AvoidedHost | null,
  context: ForgeContext,
): Promise<string> {
  const { verdict, middle } = explanation;
  const rows = [
    ...verdict.parts.map((part) => ({
      part: PARTS[part.name].title,
      input: PARTS[part.name].words(part.inputs),
      factor: part.factor >= 10 ? part.factor.toFixed(1) : part.factor.toFixed(3),
      effect: effectWords(part, middle[part.name] ?? part.factor),
    })),
    { part: 'score', input: 'all of them multiplied', factor: verdict.value.toFixed(2), effect: '' },
  ];
  const table = await context.table(rows, [
    { header: 'PART', value: (row) => row.part },
    { header: 'FACTOR', value: (row) => row.factor, align: 'right' },
    { header: 'EFFECT', value: (row) => row.effect, align: 'right' },
    { header: 'FROM', value: (row) => row.input },
  ]);
  return [
    headLine(explanation),
    ...hiddenLines(explanation, avoided),
    table,
    '* beside the middle one of those that match',
    ...firstLines(explanation),
  ].join('\n');
}

function headLine({ verdict, rank, of, hiddenBy }: Explanation): string {
  const { offer } = verdict;
  const what = `Offer ${offer.id}: ${offer.numGpus}x ${offer.gpuName}, ${offer.geolocation ?? 'unknown place'}, ${formatPerHour(offer.dphTotal)}`;
  if (hiddenBy.length > 0) return `${what}\nNot in the list of ${of}; it would be number ${rank}.`;
  return `${what}\nNumber ${rank} of ${of}.`;
}

function hiddenLines({ hiddenBy }: Explanation, avoided: AvoidedHost | null): string[] {
  const lines = hiddenBy.map(
    ({ words, off }) => `Hidden by "${words}"${off === null ? '' : ` (off: ${flagWords(off)})`}`,
  );
  if (avoided !== null)
    lines.push(
      `launch passes its machine ${avoided.machineId} over until ${avoided.until}: ${avoided.reason} (forgectl hosts ls)`,
    );
  return lines;
}

function effectWords({ name, factor }: ScorePart, middle: number): string {
  const relative = RELATIVE.has(name);
  const percent = Math.round((factor / (relative ? middle : 1) - 1) * 100);
  if (percent === 0 && !relative) return '-';
  const sign = percent > 0 ? '+' : '';
  return `${sign}${percent}%${relative ? '*' : ''}`;
}

/** In what it falls behind the first most. */
function firstLines({ verdict, first, hiddenBy }: Explanation): string[] {
  if (first === null || first.value <= verdict.value) return [];
  const behind = verdict.parts
    .map(({ name, factor }, index) => ({ name, share: factor / (first.parts[index]?.factor || 1) }))
    .filter(({ share }) => share < 0.995)
    .sort((one, other) => one.share - other.share)
    .slice(0, 3)
    .map(({ name, share }) => `${PARTS[name].title} (×${share.toFixed(2)})`);
  const is = hiddenBy.length > 0 ? 'Would be behind' : 'Behind';
  return behind.length === 0
    ? []
    : [`${is} the first, offer ${first.offer.id} (${first.value.toFixed(2)}), in ${behind.join(', ')}.`];
}

/** Full numbers: the factors multiply to the score. */
export function explanationDocument(
  { verdict, rank, of, hiddenBy, middle, first }: Explanation,
  avoided: AvoidedHost | null,
): Record<string, unknown> {
  const { offer } = verdict;
  return {
    id: offer.id,
    machine_id: offer.machineId,
    gpu_name: offer.gpuName,
    num_gpus: offer.numGpus,
    price_per_hour_usd: offer.dphTotal,
    score: verdict.value,
    rank: hiddenBy.length > 0 ? null : rank,
    would_rank: rank,
    matching: of,
    hidden_by: hiddenBy.map(({ id, words, off }) => ({
      name: id,
      text: words,
      switch_off: off === null ? null : flagWords(off),
    })),
    avoided_until: avoided?.until ?? null,
    parts: verdict.parts.map(({ name, factor, inputs }) => ({
      name,
      factor,
      effect_percent: RELATIVE.has(name) ? null : Math.round((factor - 1) * 1000) / 10,
      beside_middle_percent: percentBeside(factor, middle[name] ?? factor),
      inputs,
    })),
    first_offer_id: first?.offer.id ?? (of > 0 ? offer.id : null),
    good: verdict.good,
    bad: verdict.bad,
  };
}

function percentBeside(factor: number, middle: number): number | null {
  return middle === 0 ? null : Math.round((factor / middle - 1) * 1000) / 10;
}
