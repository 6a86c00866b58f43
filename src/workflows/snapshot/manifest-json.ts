import { createHash } from 'node:crypto';
import { EXIT, ForgeError } from '../../errors.js';
import { type Manifest, SNAPSHOT_FORMAT, SNAPSHOT_VERSION } from './manifest.js';

/** Behind everything else, so that a flipped byte shows. */
const DIGEST = 'manifest_sha256';

export function encodeManifest(manifest: Manifest): string {
  const document = { format: SNAPSHOT_FORMAT, ...manifest };
  return `${JSON.stringify({ ...document, [DIGEST]: digestOf(document) }, null, 2)}\n`;
}

/** Throws for what is damaged, and for what a newer forgectl has made. `where` is for the message. */
export function decodeManifest(text: string, where: string): Manifest {
  const { [DIGEST]: digest, ...document } = parseObject(text, where);
  if (document['format'] !== SNAPSHOT_FORMAT) throw damaged(where, 'it is no manifest of a snapshot');
  const { version } = document;
  if (typeof version !== 'number') throw damaged(where, 'it has no version');
  if (version > SNAPSHOT_VERSION) throw tooNew(where, version);
  if (digest !== digestOf(document)) throw damaged(where, 'its own hash does not fit');
  const { format: _, ...manifest } = document;
  if (!isManifest(manifest)) throw damaged(where, 'it lacks what a manifest has');
  return manifest;
}

function parseObject(text: string, where: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // Said below.
  }
  throw damaged(where, 'it is not JSON');
}

function digestOf(document: object): string {
  return createHash('sha256').update(JSON.stringify(document)).digest('hex');
}

type Check = (value: unknown) => boolean;
const isText: Check = (value) => typeof value === 'string';
const isNumber: Check = (value) => typeof value === 'number' && Number.isFinite(value);
const isNull: Check = (value) => value === null;
const listOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(check);
const oneOf =
  (...checks: Check[]): Check =>
  (value) =>
    checks.some((check) => check(value));
const mapOf =
  (check: Check): Check =>
  (value) =>
    isObject(value) && Object.values(value).every(check);
const shape =
  (checks: Record<string, Check>): Check =>
  (value) =>
    isObject(value) && Object.entries(checks).every(([key, check]) => check(value[key]));

const isShort = oneOf(isText, isNull);
const isSha: Check = (value) => typeof value === 'string' && /^[0-9a-f]{64}$/u.test(value);
const isCommit: Check = (value) => typeof value === 'string' && /^[0-9a-f]{40}(?:[0-9a-f]{24})?$/u.test(value);

const isManifestShape = shape({
  name: (value) => typeof value === 'string' && isSnapshotName(value),
  startedAt: isText,
  finishedAt: isShort,
  forgectl: isText,
  source: shape({ instanceId: isNumber, label: isShort, gpuName: isShort, workspace: isText }),
  launch: shape({
    templateHashId: isShort,
    templateName: isShort,
    image: isShort,
    runtype: isShort,
    diskGb: oneOf(isNumber, isNull),
    ports: listOf(isText),
    env: mapOf(isText),
    secretNames: listOf(isText),
  }),
  forge: oneOf(
    isNull,
    shape({
      head: isCommit,
      subject: isText,
      branch: isShort,
      remoteUrl: isShort,
      editsSha256: isSha,
      editsBase64: isShort,
    }),
  ),
  extensions: listOf(shape({ name: isText, head: isText, branch: isShort, remoteUrl: isShort })),
  venv: oneOf(isNull, shape({ freeze: listOf(isText), torch: mapOf(isText) })),
  excluded: listOf(isText),
  totals: shape({ files: isNumber, directories: isNumber, links: isNumber, bytes: isNumber, newBytes: isNumber }),
  unsettled: listOf(isText),
  problems: listOf(shape({ path: isText, kind: isText })),
  filesSha256: oneOf(isSha, isNull),
});

function isManifest(value: object): value is Manifest {
  return isManifestShape(value);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A name that every file system takes. */
export function isSnapshotName(name: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/u.test(name) && !name.endsWith('.');
}

export function damaged(where: string, why: string): ForgeError {
  return new ForgeError(`${where} is damaged: ${why}.`, {
    code: 'SNAPSHOT_DAMAGED',
    exit: EXIT.notReady,
    hint: 'Nothing was changed. Take another snapshot, or another copy of this folder.',
  });
}

function tooNew(where: string, version: number): ForgeError {
  return new ForgeError(`${where} was made by a newer forgectl (format ${version}).`, {
    code: 'SNAPSHOT_TOO_NEW',
    exit: EXIT.conflict,
    hint: 'Use that version. Nothing was changed.',
  });
}
