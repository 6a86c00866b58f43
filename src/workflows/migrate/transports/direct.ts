import { EXIT, ForgeError } from '../../../errors.js';
import { type BytePath, joinPath } from '../../../instance/files/byte-path.js';
import {
  closeScript,
  grantScript,
  LEASE_S,
  letInScript,
  makeKeyScript,
  type PassageBy,
  packPaths,
  parseKey,
  parsePlace,
  renewScript,
  type SourceAddress,
} from '../../../instance/migration/direct/passage.js';
import { allowedBytes } from '../../allowance.js';
import type { RemoteRunner } from '../../copy/remote-runner.js';
import type { MachineSession } from '../../machine-session.js';
import type { Carried, Pass, Transport } from '../transport.js';
import { DirectWay } from './direct-way.js';
import { Puller } from './puller.js';
import { carryByEngine } from './relay.js';
import { Renewal } from './renewal.js';

/** What is known of one end, read anew before each pass: it may change with a restart. */
interface End {
  session: MachineSession;
  /** Null when it publishes none. */
  address(): SourceAddress | null;
  /** "type base64", as this computer has verified it; null when it has not seen one. */
  hostKey(): string | null;
}

export interface DirectOptions {
  run: string;
  source: End;
  destination: End;
  by: PassageBy;
  /** Small files, where that makes them smaller. */
  deflates: boolean;
  /** Null for as many as the distance is worth. */
  parallel: number | null;
  mostBytesPerS: number | null;
}

/** From machine to machine, with a key that is made for this run and is gone with it. */
export class Direct implements Transport {
  readonly name = 'direct';
  private readonly options: DirectOptions;

  constructor(options: DirectOptions) {
    this.options = options;
  }

  async carry(pass: Pass): Promise<Carried> {
    // Attributes need no way between the machines.
    if (pass.plan.trees.every(({ small, large }) => small.length + large.length === 0)) return carryByEngine(pass);
    const { mostBytesPerS, parallel, deflates } = this.options;
    const { context, plan } = pass;
    const newPuller = await this.openPassage(pass);
    const renewal = new Renewal(() => this.renew(), context.clock);
    const way = new DirectWay({
      newPuller: async () => {
        await renewal.ifDue();
        return newPuller();
      },
      top: topOf(plan),
      meter: context.meter,
      lanesFor: (awayMs) => parallel ?? lanesFor(awayMs),
      mostBytesPerS,
      deflates,
    });
    renewal.start();
    try {
      const lanes = await way.open().catch((error: unknown) => {
        if (context.signal.aborted || !(error instanceof ForgeError)) throw error;
        throw noPassage(error.message, error);
      });
      return await carryByEngine({ ...pass, context: { ...context, lanes, way } });
    } finally {
      renewal.stop();
      way.close();
    }
  }

  async tidy(): Promise<void> {
    const { run, source, destination } = this.options;
    await closePassage({ run, source: source.session, destination: destination.session });
  }

  private async openPassage(pass: Pass): Promise<() => Promise<Puller>> {
    const { destinationRunner, sourceRunner, context, source, plan } = pass;
    const { run, by } = this.options;
    const end = { name: context.destination.name, top: topOf(plan) };
    const [guest, host] =
      by === 'pull' ? [this.options.destination, this.options.source] : [this.options.source, this.options.destination];
    const [address, hostKey] = [host.address(), host.hostKey()];
    const which = by === 'pull' ? 'source' : 'destination';
    if (address === null) throw noPassage(`the ${which} publishes no port for SSH`);
    if (hostKey === null) throw noPassage(`the ${which}'s host key is not known here`);
    if (sourceRunner === null) throw noPassage('the source does not run');
    const made = await guest.session.run(makeKeyScript(run, hostKey));
    const key = made.exitCode === 0 ? parseKey(made.output) : null;
    if (key === null) throw noPassage('no key could be made');
    const letIn = await host.session.run(letInScript(run, key.publicKey, by));
    const hostPlace = parsePlace(letIn.output);
    if (letIn.exitCode !== 0 || hostPlace === null) throw noPassage(`the key could not be put on the ${which}`);
    await grant(sourceRunner, by === 'pull' ? hostPlace : key.place, plan);
    const wish = { place: key.place, address, hostKeyType: hostKey.split(' ')[0] ?? '' };
    if (by === 'pull') return () => Puller.pull(destinationRunner, wish, end);
    const push = { runner: sourceRunner, wish, workspace: source.path, destinationPlace: hostPlace };
    return () => Puller.meet(destinationRunner, push, end);
  }

  /** On both: each ends what it has let in, or sends, by a lease of its own. */
  private async renew(): Promise<void> {
    const { run, source, destination } = this.options;
    await Promise.all([source, destination].map(({ session }) => session.run(renewScript(run))));
  }
}

/** A migration is one tree. */
function topOf({ trees }: Pass['plan']): BytePath {
  const [first, ...others] = trees;
  if (first === undefined || others.length > 0) throw new Error('a migration is one tree');
  return first.tree.destinationBase;
}

/** What the source's half may send: whoever has its key may be anybody. */
async function grant(sourceRunner: RemoteRunner, sourcePlace: string, plan: Pass['plan']): Promise<void> {
  const paths = plan.trees.flatMap(({ tree, small, large }) =>
    [...small, ...large].map((item) => joinPath(tree.sourceBase, item.source.path)),
  );
  const { exitCode } = await sourceRunner.ask(grantScript(sourcePlace, allowedBytes(plan)), await packPaths(paths));
  if (exitCode !== 0) throw noPassage('what may be read could not be written down on the source');
}

/** OpenSSH lets 2 MiB of a stream be on their way. */
const WINDOW_BYTES = 2 * 1024 * 1024;
/** More than machines of the market have between them, and all that their processors manage. */
const WORTH_BYTES_PER_S = 200e6;
const NEAR_LANES = 3;
/** sshd begins to refuse at ten that have not logged in yet (MaxStartups). */
const MOST_LANES = 10;

function lanesFor(awayMs: number): number {
  const streams = Math.ceil(((awayMs / 1000) * WORTH_BYTES_PER_S) / WINDOW_BYTES);
  return Math.min(MOST_LANES, Math.max(NEAR_LANES, streams));
}

/** Harmless whatever is there; on both machines at once. */
export async function closePassage(options: {
  run: string;
  source: MachineSession | null;
  destination: MachineSession | null;
}): Promise<void> {
  const sessions = [options.destination, options.source].filter((session) => session !== null);
  const ends = await Promise.all(sessions.map((session) => session.run(closeScript(options.run))));
  const failed = ends.findIndex(({ exitCode }) => exitCode !== 0);
  if (failed === -1) return;
  throw new ForgeError(`The key of this run is still on instance ${sessions[failed]?.id}.`, {
    code: 'PASSAGE_LEFT',
    exit: EXIT.notReady,
    hint: `It opens nothing but what this run has planned, and ends by itself within ${LEASE_S / 3600} hours. By hand: the line passage-${options.run} in ~/.ssh/authorized_keys`,
  });
}

function noPassage(reason: string, cause?: unknown): ForgeError {
  return new ForgeError(`The machines cannot copy directly: ${reason}`, {
    code: 'NO_PASSAGE',
    exit: EXIT.notReady,
    hint: 'Through this computer: --via relay',
    cause,
  });
}
