import { EXIT } from '../errors.js';
import type { Vast } from '../vast/vast.js';
import { type OfferVerdict, rankOffers } from '../workflows/offers/rank-offers.js';
import type { ForgeContext } from './context.js';
import { filterLines } from './filter-lines.js';
import { offerFilters, queryOf } from './offer-filters.js';
import { offerDocument, offerTable } from './offer-output.js';
import { type OfferSort, sortOffers } from './offer-sorts.js';
import { type OfferWishes, rankTerms } from './offer-wishes.js';

/** The modes of `offers`: at most one is set. */
interface OfferListFlags {
  json: boolean;
  sort: OfferSort;
  limit: number;
  explain?: number[] | undefined;
  relax: boolean;
  plot: boolean;
  watch: boolean;
  below?: number | undefined;
  interval?: number | undefined;
  timeout?: number | undefined;
  'until-found': boolean;
}

interface OfferQuestion {
  flags: OfferListFlags;
  wishes: OfferWishes;
  argv: readonly string[];
}

type Answer = Record<string, unknown> | Record<string, unknown>[];
type Print = (text: string) => void;

/** Returns the document; prints the answer for people. What only one mode needs is loaded by that mode. */
export async function answerOffers(context: ForgeContext, question: OfferQuestion, print: Print): Promise<Answer> {
  const { flags, wishes } = question;
  if (flags.watch) {
    const { watchMarket, watchWishes } = await import('./watch-offers.js');
    const watch = watchWishes(flags);
    tellFilters(context, wishes);
    return watchMarket(context, { wishes, watch }, print);
  }
  const vast = await context.vast();
  tellFilters(context, wishes);
  if (flags.explain !== undefined) return explain(context, vast, question, print);
  if (flags.relax) {
    const [{ relaxOffers }, { relaxDocument, relaxLines }] = await relaxing();
    const report = await relaxOffers(vast, wishes, { command: 'offers', argv: question.argv });
    print(relaxLines(report).join('\n'));
    return relaxDocument(report);
  }
  return list(context, vast, question, print);
}

function relaxing() {
  return Promise.all([import('./relax-offers.js'), import('./relax-output.js')]);
}

function tellFilters({ reporter }: ForgeContext, wishes: OfferWishes): void {
  for (const line of filterLines(offerFilters(wishes), wishes)) reporter.info(line);
}

async function list(context: ForgeContext, vast: Vast, question: OfferQuestion, print: Print): Promise<Answer> {
  const { flags, wishes } = question;
  const ranked = rankOffers(await vast.offers.search(queryOf(offerFilters(wishes), wishes)), rankTerms(wishes));
  const sorted = sortOffers(ranked, flags.sort, wishes.diskGb);
  if (sorted.length === 0 && !flags.json) await tellNothing(context, vast, question);
  if (flags.plot) {
    const { offerPlot, plotDocument } = await import('./plot-offers.js');
    if (sorted.length > 0) print(await offerPlot(sorted, wishes.diskGb, context));
    return plotDocument(sorted);
  }
  const shown = sorted.slice(0, flags.limit);
  if (shown.length > 0) print(await offerTable(shown, wishes.diskGb, context));
  if (sorted.length > shown.length)
    context.reporter.info(`${shown.length} of ${sorted.length} offers; --limit shows more.`);
  return shown.map((verdict: OfferVerdict) => offerDocument(verdict, wishes.diskGb));
}

/** Costs a second search, so only where somebody reads it. */
async function tellNothing(context: ForgeContext, vast: Vast, { wishes, argv }: OfferQuestion): Promise<void> {
  const [{ adviceForNothing }, { nothingLines }] = await relaxing();
  const report = await adviceForNothing(vast, wishes, { command: 'offers', argv });
  for (const line of nothingLines(report)) context.reporter.info(line);
}

async function explain(context: ForgeContext, vast: Vast, question: OfferQuestion, print: Print): Promise<Answer> {
  const { flags, wishes } = question;
  const { explainOffers, offersNotThere } = await import('./explain-offers.js');
  const { explanationDocument, explanationText } = await import('./explain-output.js');
  const ids = [...new Set(flags.explain ?? [])];
  const { found, missing } = await explainOffers(vast, ids, wishes);
  if (found.length === 0) throw offersNotThere(missing);
  const avoided = context.avoidedHosts.list();
  const avoidedAs = (machineId: number) => avoided.find((host) => host.machineId === machineId) ?? null;
  const texts: string[] = [];
  for (const one of found) texts.push(await explanationText(one, avoidedAs(one.verdict.offer.machineId), context));
  print(texts.join('\n\n'));
  if (missing.length > 0) {
    context.reporter.warn(offersNotThere(missing).message);
    process.exitCode = EXIT.partlyFailed;
  }
  return {
    offers: found.map((one) => explanationDocument(one, avoidedAs(one.verdict.offer.machineId))),
    missing_offer_ids: missing,
  };
}
