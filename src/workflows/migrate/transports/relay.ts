import { BoundedWay } from '../../allowance.js';
import { runCopy, surveyDestination } from '../../copy/copy.js';
import type { Carried, Pass, Transport } from '../transport.js';

/** Through this computer, in constant memory: for machines that cannot reach each other. */
export class Relay implements Transport {
  readonly name = 'relay';

  carry(pass: Pass): Promise<Carried> {
    return carryByEngine(pass);
  }

  /** Whatever was at work on either machine ended with its connection. */
  async tidy(): Promise<void> {}
}

/** Parts of an earlier try are gone on with; nothing is compared yet. Throws (MORE_THAN_PLANNED) when far too much comes. */
export async function carryByEngine({ context, plan }: Pass): Promise<Carried> {
  const survey = await surveyDestination(context, plan);
  const bounded = { ...context, way: new BoundedWay(context.way, plan) };
  const { movedBytes, problems } = await runCopy(bounded, { plan, survey, verify: 'none' });
  return { movedBytes, problems };
}
