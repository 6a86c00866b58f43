import type { Offer } from '../../vast/model.js';
import { estimatePrice } from '../price.js';
import { bootMinutes, downloadMinutes } from './boot-estimate.js';
import { fitOf, type ImageFit } from './image-needs.js';
import { type RankTerms, type ScorePart, scoreOf, scoreParts, speedOf } from './score-offer.js';

/** What a Forge user should know of an offer before choosing it. */
export interface OfferVerdict {
  offer: Offer;
  /** Higher is better: generation speed for the money, lowered for what makes a machine slow to start or likely to fail. */
  value: number;
  /** Their product is `value`. */
  parts: ScorePart[];
  fit: ImageFit;
  /** dlperf of one card; null when it is not told. */
  speed: number | null;
  /** Minutes to fetch image and model at the host's line speed; null when the speed is not known. */
  downloadMinutes: number | null;
  /** Minutes until Forge answers. */
  bootMinutes: number;
  good: string[];
  bad: string[];
}

export function judgeOffer(offer: Offer, terms: RankTerms): OfferVerdict {
  const parts = scoreParts(offer, terms);
  const fit = fitOf(offer, terms.image);
  return {
    offer,
    value: scoreOf(parts),
    parts,
    fit,
    speed: speedOf(offer),
    downloadMinutes: downloadMinutes(offer),
    bootMinutes: bootMinutes(offer),
    ...notesOf(offer, terms, fit),
  };
}

/** Best first; equal values by price, then by id, so that the order never depends on the API's. */
export function rankOffers(offers: readonly Offer[], terms: RankTerms): OfferVerdict[] {
  return offers
    .map((offer) => judgeOffer(offer, terms))
    .sort(
      (one, other) =>
        other.value - one.value || one.offer.dphTotal - other.offer.dphTotal || one.offer.id - other.offer.id,
    );
}

/** The order of `--best` or `--cheapest`, without machines that cannot run the image. */
export function inOrder(order: 'best' | 'cheapest', offers: readonly Offer[], terms: RankTerms): Offer[] {
  const ranked = rankOffers(offers, terms).filter(({ fit }) => fit.verdict !== 'no');
  const best = ranked.map(({ offer }) => offer);
  return order === 'best' ? best : cheapestFirst(best, terms);
}

/** By what the first hour costs, download included. */
function cheapestFirst(offers: readonly Offer[], { diskGb, bidPerHourUsd }: RankTerms): Offer[] {
  const cost = (offer: Offer): number => estimatePrice(offer, diskGb, bidPerHourUsd).firstHourUsd;
  return [...offers].sort((one, other) => cost(one) - cost(other) || one.id - other.id);
}

/** Memory below which SDXL models swap. */
const COMFORTABLE_GPU_RAM_MB = 15_800;
const SLOW_START_MINUTES = 18;
const FAST_START_MINUTES = 8;

function notesOf(offer: Offer, terms: RankTerms, fit: ImageFit): { good: string[]; bad: string[] } {
  const price = estimatePrice(offer, terms.diskGb, terms.bidPerHourUsd);
  const reliability = offer.reliability ?? 0.9;
  const minutes = bootMinutes(offer);
  const notes: [isSo: boolean, is: 'good' | 'bad', text: string][] = [
    [fit.verdict === 'no', 'bad', `cannot run the image: ${fit.reason}`],
    [fit.verdict === 'maybe', 'bad', `may not run the image: ${fit.reason}`],
    [speedOf(offer) === null, 'bad', 'speed not told'],
    [reliability >= 0.995, 'good', 'very reliable'],
    [offer.reliability === null, 'bad', 'reliability not told'],
    [offer.reliability !== null && reliability < 0.97, 'bad', `reliability ${(reliability * 100).toFixed(1)}%`],
    [minutes > SLOW_START_MINUTES, 'bad', `slow line: ~${Math.round(minutes)} min to start`],
    [minutes <= FAST_START_MINUTES, 'good', 'fast line'],
    [(offer.directPortCount ?? 0) < 1, 'bad', 'no direct ports'],
    [!offer.verified, 'bad', 'not verified'],
    [offer.gpuRamMb < COMFORTABLE_GPU_RAM_MB, 'bad', `${Math.round(offer.gpuRamMb / 1024)} GB of video memory`],
    [price.downloadUsd > price.runningPerHourUsd, 'bad', 'download costs more than an hour'],
    [offer.hostingType === 1, 'good', 'datacenter'],
  ];
  const texts = (wanted: 'good' | 'bad'): string[] =>
    notes.filter(([isSo, is]) => isSo && is === wanted).map(([, , text]) => text);
  return { good: texts('good'), bad: texts('bad') };
}
