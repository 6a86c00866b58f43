import type { BytePath } from '../../instance/files/byte-path.js';
import type { CopyPlan } from '../copy/copy.js';
import type { RemoteRunner } from '../copy/remote-runner.js';
import type { Problem } from '../copy/side.js';
import type { TransferContext } from '../copy/transfer.js';

/** api: the platform's copy. direct: over SSH between the two machines. relay: through this computer. */
export const TRANSPORTS = ['api', 'direct', 'relay'] as const;
export type TransportName = (typeof TRANSPORTS)[number];

/** A directory on an instance, as the instance itself names it: /workspace */
interface Place {
  instanceId: number;
  path: string;
}

/** One go at bringing what is missing. The machines may work meanwhile: whoever asks for it looks again afterwards. */
export interface Pass {
  /** Its contents go into the destination, which exists. */
  source: Place;
  destination: Place;
  /** What is missing, path by path. A way that copies whole trees may bring more: what was left out is removed later. */
  plan: CopyPlan;
  /** Both ends as the copy engine sees them, the meter, who is told, and the signal. */
  context: TransferContext;
  /** Run commands on the machines for as long as the pass lasts; null for one that does not run. */
  sourceRunner: RemoteRunner | null;
  destinationRunner: RemoteRunner;
  /** What a way without a count of bytes has to say. */
  onDetail(text: string): void;
}

export interface Carried {
  /** What went over the wire; null for a way that does not say. */
  movedBytes: number | null;
  /** Single paths that did not come, by their place at the destination. What stops everything is thrown. */
  problems: { path: BytePath; problem: Problem }[];
}

/** A way for the bytes from one instance to the other. It proves nothing: the comparison is made elsewhere. */
export interface Transport {
  readonly name: TransportName;
  carry(pass: Pass): Promise<Carried>;
  /** Takes away what it has put on either machine, or left at work there; also after another process was killed. */
  tidy(): Promise<void>;
}
