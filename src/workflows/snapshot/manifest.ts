import type { BytePath } from '../../instance/files/byte-path.js';
import type { CheckoutState, ExtensionState } from '../../instance/snapshot-facts.js';

/** A newer forgectl reads older snapshots; an older one lists newer ones and leaves them alone. */
export const SNAPSHOT_VERSION = 1;
export const SNAPSHOT_FORMAT = 'forgectl-snapshot';

/** What a new machine would be launched with. No value of a variable that looks secret. */
export interface LaunchRecord {
  templateHashId: string | null;
  templateName: string | null;
  image: string | null;
  runtype: string | null;
  diskGb: number | null;
  /** Container ports: "7860/tcp". */
  ports: string[];
  env: Record<string, string>;
  secretNames: string[];
}

interface SnapshotTotals {
  files: number;
  directories: number;
  links: number;
  bytes: number;
  /** What the folder did not have before. */
  newBytes: number;
}

/** What is known of a snapshot without its list of files. Plain data. */
export interface Manifest {
  version: number;
  name: string;
  startedAt: string;
  /** Null while it is being made, and for one that was cut off. */
  finishedAt: string | null;
  forgectl: string;
  source: {
    instanceId: number;
    label: string | null;
    gpuName: string | null;
    numGpus: number | null;
    workspace: string;
  };
  launch: LaunchRecord;
  forge: CheckoutState | null;
  extensions: ExtensionState[];
  /** Lines of `pip freeze`, and the builds that belong to the card. */
  venv: { freeze: string[]; torch: Record<string, string> } | null;
  excluded: string[];
  totals: SnapshotTotals;
  /** Files that changed while they were read: each holds what was there at one moment, or while it was read. */
  unsettled: string[];
  /** What is missing, and why. */
  problems: { path: string; kind: string }[];
  /** Of the list of files. */
  filesSha256: string | null;
}

/** One path of a snapshot, relative to the workspace; the empty one is the workspace itself. */
export interface SnapshotFile {
  path: BytePath;
  type: 'file' | 'directory' | 'link';
  size: number;
  mode: number;
  mtimeNs: bigint;
  target: BytePath | null;
  /** Of files: its content, by which it is stored. */
  sha256: string | null;
  /** Of further names of a file: the first one. */
  sameAs: BytePath | null;
  /** Less than the size where it has holes. */
  allocatedBytes: number;
  owner: { uid: number; gid: number };
}
