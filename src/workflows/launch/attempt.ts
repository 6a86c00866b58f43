import type { Offer } from '../../vast/model.js';
import type { LimitAction } from '../limits/limit-time.js';

/**
 * intended: the renting call may have been sent, and what came of it is not known yet. rented: the contract exists.
 * lost: there is none, and none will come. destroyed: read back as gone. kept: it exists, and the user was told.
 */
export type AttemptState = 'intended' | 'rented' | 'lost' | 'destroyed' | 'kept';

/** One machine of a launch, as the journal knows it. */
export interface Attempt {
  offer: Offer;
  state: AttemptState;
  contractId: number | null;
  /** ISO time of the renting. */
  rentedAt: string | null;
  /** What it has cost so far, as far as forgectl saw. */
  costUsd: number;
  failure: { code: string; reason: string } | null;
  /** What the platform will do to it by itself, and when; read back. Absent in journals of older versions. */
  limit?: { action: LimitAction; atMs: number } | null;
}

export interface LaunchFacts {
  attempts: Attempt[];
  /** Offers that were gone when they were asked for. */
  lostOfferIds: number[];
}

export function emptyFacts(): LaunchFacts {
  return { attempts: [], lostOfferIds: [] };
}

/** Contracts that exist, or may. */
export function livingAttempts(facts: LaunchFacts): Attempt[] {
  return facts.attempts.filter(({ state }) => state === 'intended' || state === 'rented');
}
