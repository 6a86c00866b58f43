import { EXIT, ForgeError, isInterruption } from '../errors.js';
import { formatDuration, formatPerHour } from '../ui/format.js';
import { bootMinutes } from '../workflows/offers/boot-estimate.js';
import { type OfferChange, type WatchLog, type WatchWishes, watchOffers } from '../workflows/offers/watch-offers.js';
import type { ForgeContext } from './context.js';
import { offerFilters, queryOf } from './offer-filters.js';
import { bootWords } from './offer-output.js';
import type { OfferWishes } from './offer-wishes.js';

interface WatchFlagValues {
  below?: number | undefined;
  interval?: number | undefined;
  timeout?: number | undefined;
  'until-found': boolean;
}

type BeginFacts = Parameters<Parameters<typeof watchOffers>[0]['onBegin']>[0];

const DEFAULT_INTERVAL_MS = 60_000;
/** The API allows ten searches a minute for everything that uses the key; six leave some for others. */
const LEAST_INTERVAL_MS = 10_000;

export function watchWishes(flags: WatchFlagValues): WatchWishes {
  const intervalMs = flags.interval ?? DEFAULT_INTERVAL_MS;
  if (intervalMs < LEAST_INTERVAL_MS) {
    throw new ForgeError(
      `--interval ${formatDuration(intervalMs)} is too short: the API allows ten searches a minute.`,
      {
        code: 'USAGE',
        exit: EXIT.usage,
        hint: `Give at least --interval ${formatDuration(LEAST_INTERVAL_MS)}; it is shared by everything that uses your key.`,
      },
    );
  }
  return {
    belowUsd: flags.below ?? null,
    intervalMs,
    timeoutMs: flags.timeout ?? null,
    untilFound: flags['until-found'],
  };
}

/** Prints each change as it comes; the document is the whole of it. */
export async function watchMarket(
  context: ForgeContext,
  { wishes, watch }: { wishes: OfferWishes; watch: WatchWishes },
  print: (line: string) => void,
): Promise<Record<string, unknown>> {
  const { signal } = context.interruption;
  const vast = await context.vast();
  const { clock, reporter } = context;
  const query = queryOf(offerFilters(wishes), wishes);
  const log: WatchLog = { belowUsd: watch.belowUsd, looks: 0, failedLooks: 0, changes: [] };
  const startedMs = clock.now();
  const deps = {
    search: () => vast.offers.search(query),
    clock,
    signal,
    onChange: (change: OfferChange) => {
      print(changeLine(change));
      reporter.event(`offer_${change.kind}`, changeDocument(change));
    },
    onBegin: (facts: BeginFacts) => {
      for (const line of beginLines(facts, watch)) reporter.info(line);
      reporter.event('watch_started', {
        offers: facts.offers,
        below_usd: facts.belowUsd,
        interval_s: watch.intervalMs / 1000,
      });
    },
    onProblem: (problem: ForgeError, nextLookMs: number) =>
      reporter.warn(`${timeOfDay(clock.now())}  ${problem.message}. Next look in ${formatDuration(nextLookMs)}.`),
  };
  const document = (): Record<string, unknown> => watchDocument(log, clock.now() - startedMs);
  try {
    const end = await watchOffers(deps, watch, log);
    if (end === 'timeout' && watch.untilFound) throw nothingFound(watch, log, document());
    return { ended_by: end, ...document() };
  } catch (error) {
    throw isInterruption(error) ? stopped(error, log, document()) : error;
  }
}

/** What was seen until then is not lost. */
function stopped({ code, exit }: ForgeError, log: WatchLog, details: Record<string, unknown>): ForgeError {
  return new ForgeError(`Stopped watching after ${looksWords(log)}.`, { code, exit: exit as 130, details });
}

function nothingFound(watch: WatchWishes, log: WatchLog, details: Record<string, unknown>): ForgeError {
  const price = log.belowUsd === null ? '' : ` below ${formatPerHour(log.belowUsd)}`;
  return new ForgeError(`Nothing${price} within ${formatDuration(watch.timeoutMs ?? 0)} (${looksWords(log)}).`, {
    code: 'NOT_FOUND_IN_TIME',
    exit: EXIT.timedOut,
    hint: 'Give more time with --timeout, a higher price with --below, or fewer filters: forgectl offers --relax',
    details,
  });
}

function looksWords({ looks, failedLooks, changes }: WatchLog): string {
  const failed = failedLooks === 0 ? '' : `, ${failedLooks} more failed`;
  return `${looks} ${looks === 1 ? 'look' : 'looks'}${failed}, ${changes.length} ${changes.length === 1 ? 'change' : 'changes'}`;
}

function beginLines({ offers, cheapest, belowUsd }: BeginFacts, watch: WatchWishes): string[] {
  const price = belowUsd === null ? 'any offer' : `less than ${formatPerHour(belowUsd)}`;
  const why = belowUsd !== null && watch.belowUsd === null ? ' (the cheapest now; --below sets another price)' : '';
  return [
    cheapest === null
      ? 'No offers now.'
      : `${offers} ${offers === 1 ? 'offer' : 'offers'} now, the cheapest at ${formatPerHour(cheapest.dphTotal)}.`,
    `Watching every ${formatDuration(watch.intervalMs)} for ${price}${why}. Ctrl-C ends it.`,
  ];
}

function changeLine({ kind, offer, beforePerHourUsd, atMs }: OfferChange): string {
  const price = formatPerHour(offer.dphTotal);
  const words = {
    new: price,
    cheaper: `${formatPerHour(beforePerHourUsd ?? 0)} → ${price}`,
    gone: `was ${price}`,
  };
  const more =
    kind === 'gone' ? [] : [offer.geolocation ?? 'unknown place', `${bootWords(bootMinutes(offer))} to start`];
  return [
    timeOfDay(atMs),
    kind.padEnd(7),
    `offer ${offer.id}`,
    `${offer.numGpus}x ${offer.gpuName}`,
    words[kind],
    ...more,
  ].join('  ');
}

/** Local, as on the wall of who reads it. */
function timeOfDay(ms: number): string {
  const time = new Date(ms);
  return [time.getHours(), time.getMinutes(), time.getSeconds()].map((part) => String(part).padStart(2, '0')).join(':');
}

function changeDocument({ kind, offer, beforePerHourUsd, atMs }: OfferChange): Record<string, unknown> {
  return {
    kind,
    seen_at: new Date(atMs).toISOString(),
    id: offer.id,
    machine_id: offer.machineId,
    gpu_name: offer.gpuName,
    num_gpus: offer.numGpus,
    price_per_hour_usd: offer.dphTotal,
    price_per_hour_before_usd: beforePerHourUsd,
    geolocation: offer.geolocation,
    boot_minutes: Math.round(bootMinutes(offer) * 10) / 10,
  };
}

function watchDocument(
  { belowUsd, looks, failedLooks, changes }: WatchLog,
  elapsedMs: number,
): Record<string, unknown> {
  return {
    below_usd: belowUsd,
    looks,
    failed_looks: failedLooks,
    elapsed_s: Math.round(elapsedMs / 100) / 10,
    changes: changes.map(changeDocument),
  };
}
