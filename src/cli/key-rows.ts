import { isSameKey } from '../ssh/identity.js';
import { type LocalKey, placesOf } from '../ssh/local-keys.js';
import { isPublicKey, type PublicKey, parsePublicKey } from '../ssh/public-key.js';
import { cleanLine } from '../ui/sanitize.js';
import type { AccountSshKey, InstanceSshKey } from '../vast/model.js';
import type { ForgeContext } from './context.js';

/** One SSH key of the account, or one that only instances have. */
export interface KeyRow {
  /** The account's number for it; null when the account does not have it. */
  id: number | null;
  /** Null when the text is no key at all. */
  key: PublicKey | null;
  /** What stands in the account. */
  text: string;
  createdAt: string | null;
  /** Where on this computer its private half is. */
  places: string[];
  isOwn: boolean;
  /** The one that forgectl logs in with. */
  isLogin: boolean;
  /** Null when nobody has asked. */
  instanceIds: number[] | null;
}

interface Sources {
  /** Without a number where the API gives bare lines. */
  account: readonly (Omit<AccountSshKey, 'id'> & { id: number | null })[];
  /** By instance; null when it was not looked at. */
  instances: ReadonlyMap<number, readonly InstanceSshKey[]> | null;
  local: { all: readonly LocalKey[]; login: LocalKey | null };
}

export function keyRows({ account, instances, local }: Sources): KeyRow[] {
  const row = (text: string, about: Pick<KeyRow, 'id' | 'createdAt'>): KeyRow => {
    const read = parsePublicKey(text);
    return {
      ...about,
      key: isPublicKey(read) ? read : null,
      text,
      places: placesOf(text, local.all),
      isOwn: local.all.some(({ isOwn, publicKey }) => isOwn && isSameKey(publicKey, text)),
      isLogin: local.login !== null && isSameKey(local.login.publicKey, text),
      instanceIds: instances === null ? null : holdersOf(text, instances),
    };
  };
  const rows = account.map(({ id, publicKey, createdAt }) => row(publicKey, { id, createdAt }));
  const others = [...(instances?.values() ?? [])].flat().map(({ publicKey }) => publicKey);
  for (const text of others) {
    if (rows.some((known) => known.text === text || isSameKey(known.text, text))) continue;
    rows.push(row(text, { id: null, createdAt: null }));
  }
  return rows;
}

function holdersOf(text: string, instances: ReadonlyMap<number, readonly InstanceSshKey[]>): number[] {
  const has = (keys: readonly InstanceSshKey[]): boolean =>
    keys.some(({ publicKey }) => publicKey === text || isSameKey(publicKey, text));
  return [...instances].filter(([, keys]) => has(keys)).map(([id]) => id);
}

/** How a key is called in sentences. */
export function keyName({ id, key, text }: Pick<KeyRow, 'id' | 'key' | 'text'>): string {
  const what = key === null ? describeNoKey(text) : [key.fingerprint, commentOf(key)].filter(Boolean).join(' ');
  return id === null ? what : `${id} (${what})`;
}

export function keyDocument(row: KeyRow): Record<string, unknown> {
  const { id, key, text, createdAt, places, isOwn, isLogin, instanceIds } = row;
  return {
    id,
    fingerprint: key?.fingerprint ?? null,
    type: key?.type ?? null,
    comment: key === null ? null : commentOf(key),
    created_at: createdAt,
    malformed: key === null,
    problem: key === null ? describeNoKey(text) : null,
    on_account: id !== null,
    forgectl_own: isOwn,
    forgectl_login: isLogin,
    private_key_at: places,
    instance_ids: instanceIds,
  };
}

/** At this width a whole fingerprint leaves room for the rest. */
const WIDE = 130;
/** Of 43: enough to be told apart, and `keys rm` takes it. */
const SHORT_FINGERPRINT = 'SHA256:'.length + 16;

export function keyTable(rows: readonly KeyRow[], context: ForgeContext): Promise<string> {
  const isWide = context.terminal.columns >= WIDE;
  const shorten = (text: string): string => (isWide ? text : text.slice(0, SHORT_FINGERPRINT));
  const withInstances = rows.some(({ instanceIds }) => instanceIds !== null);
  return context.table(rows, [
    { header: 'ID', value: ({ id }) => (id === null ? '-' : String(id)), align: 'right' },
    {
      header: 'FINGERPRINT',
      value: ({ key, text }) => (key === null ? describeNoKey(text) : shorten(key.fingerprint)),
    },
    { header: 'COMMENT', value: ({ key }) => (key === null ? '-' : (commentOf(key) ?? '-')), priority: 2 },
    { header: 'CREATED', value: ({ createdAt }) => createdAt?.slice(0, 10) ?? '-', priority: 3 },
    { header: 'PRIVATE HALF', value: ({ places, isLogin }) => `${places.join(', ') || '-'}${isLogin ? ' *' : ''}` },
    ...(withInstances
      ? [{ header: 'INSTANCES', value: ({ instanceIds }: KeyRow) => instanceIds?.join(', ') || '-' }]
      : []),
  ]);
}

function commentOf({ comment }: PublicKey): string | null {
  return comment === null ? null : cleanLine(comment).slice(0, 100) || null;
}

/** A private half that somebody has pasted into the account must not be shown once more. */
function describeNoKey(text: string): string {
  const read = parsePublicKey(text);
  if (!isPublicKey(read) && read.isPrivate) return 'not a public key: a private key was pasted';
  const start = [...cleanLine(text)].slice(0, 24).join('');
  return start === '' ? 'not a key: empty' : `not a key: "${start}${text.length > 24 ? '…' : ''}"`;
}
