import { isAboutSecret, isSecretName } from './secret-name.js';

/** What stands in the place of a secret. */
export const REDACTED = '[redacted]';

/** No pattern fits in less. */
const SHORTEST_TEXT = 6;

/** A text that still changes after so many rounds was made to. */
const MOST_ROUNDS = 12;

/** Keys that say by their beginning what they are. The longer their beginning, the less is asked of the rest. */
const KEYS_BY_PREFIX = [
  'hf_[A-Za-z0-9]{30,256}',
  'sk-(?=[\\w-]{0,64}\\d)[\\w-]{16,256}',
  'gh[opsur]_[A-Za-z0-9]{12,256}',
  'github_pat_[A-Za-z0-9_]{20,256}',
  'glpat-[\\w-]{16,256}',
  'xox[abeoprs]-[\\w-]{10,256}',
  'xapp-[\\w-]{10,256}',
  'AIza[\\w-]{30,64}',
  'npm_[A-Za-z0-9]{30,64}',
  'pypi-[\\w-]{50,512}',
  'dckr_pat_[\\w-]{20,64}',
  'r8_[A-Za-z0-9]{30,64}',
  'rpa_[A-Za-z0-9]{30,64}',
  'tskey-[\\w-]{16,128}',
  '(?:AKIA|ASIA)[0-9A-Z]{16}(?![0-9A-Za-z])',
].join('|');

const PREFIXED = new RegExp(`(?<![A-Za-z0-9])(?:${KEYS_BY_PREFIX})`, 'gu');
/** A header of a few fields, a body, a signature. What stands before it may be a dash or an underscore. */
const JSON_WEB_TOKEN = /(?<![A-Za-z0-9])eyJ[\w-]{8,400}\.[\w-]{8,8192}(?:\.[\w-]{1,2048})?/gu;
const PRIVATE_KEY = /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----/u;

/**
 * A text of a machine, an API or a user without what would let its reader in (traps 24: caddy.log and open_path hold web
 * credentials). What is taken out may show that more is to be taken out; a text that was redacted stays as it is.
 * Every pattern is bounded: a text of a stranger costs time by its length alone.
 */
export function redactSecrets(text: string): string {
  if (text.length < SHORTEST_TEXT) return text;
  let before = text;
  for (let round = 0; round < MOST_ROUNDS; round += 1) {
    const after = redactOnce(before);
    if (after === before) return after;
    before = after;
  }
  return REDACTED;
}

function redactOnce(text: string): string {
  return withoutPrivateKeys(text)
    .replace(/\b(Bearer|Basic)\s{1,8}(?=[\w.~+/=-]{0,200}[^a-z\s])[\w.~+/=-]{4,8192}/giu, `$1 ${REDACTED}`)
    .replace(
      /([?&][\w.-]{0,40}(?:token|key|password|passwd|secret|signature|credential|policy|auth)[\w.-]{0,40}=)[^&\s"']{1,8192}/giu,
      `$1${REDACTED}`,
    )
    .replace(/([a-z][\w+.-]{0,20}:\/\/)([^\s/"'<>]{1,1024})@/giu, withoutUser)
    .replace(
      /(\/api\/webhooks\/\d{1,24}\/|hooks\.slack\.com\/services\/)(?!\[redacted\])[\w/-]{8,256}/giu,
      `$1${REDACTED}`,
    )
    .replace(/\$2[aby]?\$\d\d\$[./A-Za-z0-9]{22,53}/gu, REDACTED)
    .replace(/(--[\w-]{0,40}auth(?:-path)?(?:\s{1,8}|=))("[^"]{0,8192}"|'[^']{0,8192}'|\S{1,8192})/giu, `$1${REDACTED}`)
    .replace(
      /(--[\w-]{0,40}(?:token|secret|passw(?:or)?d|passphrase|api-?key)[\w-]{0,40}\s{1,8})("[^"]{0,8192}"|'[^']{0,8192}'|(?!-)\S{1,8192})/giu,
      `$1${REDACTED}`,
    )
    .replace(
      /((?:token|secret|passw(?:or)?d|passphrase|api[_-]?key)\w{0,40}["']?\s{0,8}[=:]\s{0,8}(?:\[(?!redacted\]))?)("[^"]{0,8192}"|'[^']{0,8192}'|(?:\[redacted\]|[^\s,;\]]){1,8192})/giu,
      withoutNamed,
    )
    .replace(
      /(\b[A-Z][A-Z0-9_]{1,63}["']?\s{0,8}[=:]\s{0,8}(?:\[(?!redacted\]))?)("[^"]{0,8192}"|'[^']{0,8192}'|(?:\[redacted\]|[^\s,;\]]){1,8192})/gu,
      withoutVariable,
    )
    .replace(/((?:api[\s_-]?key|token|civitai)\b[^\n]{0,24}?\b)[0-9a-f]{32,64}\b/giu, `$1${REDACTED}`)
    .replace(PREFIXED, REDACTED)
    .replace(JSON_WEB_TOKEN, REDACTED);
}

/** Up to the last "@": a password may hold one. A user without a password is a name with ssh, and may be a token with http. */
function withoutUser(whole: string, scheme: string, user: string): string {
  const isName = /^[a-z_][\w.-]{0,31}$/iu.test(user) && !/(?:https?|ftp):\/\/$/iu.test(scheme);
  return isName ? whole : `${scheme}${REDACTED}@`;
}

/** "tokens: 512", "tokenizer: fast" and "token_env: HF_TOKEN" are words about tokens. */
function withoutNamed(whole: string, head: string): string {
  const name = /^[\w-]{0,64}/u.exec(head)?.[0] ?? '';
  return /^token(?:s|iz\w{0,40})$/iu.test(name) || isAboutSecret(name) ? whole : `${head}${REDACTED}`;
}

/** A log may begin a line with "PASS:" or "KEY:"; a variable has more in its name, or "=" behind it. */
function withoutVariable(whole: string, head: string): string {
  const name = /^[A-Z0-9_]{0,64}/u.exec(head)?.[0] ?? '';
  const isVariable = name.includes('_') || /[=]/u.test(head) || head.slice(name.length).startsWith('"');
  return isVariable && isSecretName(name) ? `${head}${REDACTED}` : whole;
}

function withoutPrivateKeys(text: string): string {
  let shown = '';
  for (let rest = text; ; ) {
    const begin = PRIVATE_KEY.exec(rest);
    if (begin === null) return shown + rest;
    shown += rest.slice(0, begin.index) + REDACTED;
    const end = /-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----/u.exec(rest.slice(begin.index + begin[0].length));
    if (end === null) return shown;
    rest = rest.slice(begin.index + begin[0].length + end.index + end[0].length);
  }
}

/** Names of what looks random and is known to everybody: sums of files, commits. */
const DIGEST_NAME = /(?:^|_)(?:SHA\d{0,3}|MD5|HASH|DIGEST|CHECKSUM|COMMIT|REVISION|REF|UUID|GUID)(?:$|_)/iu;
/** What a switch is set to. */
const SWITCH = /^(?:true|false|yes|no|on|off|none|null)?$/iu;

/** Whether this value is nobody's business, by its name or by its looks. */
export function isSecret(name: string, value: string): boolean {
  if (SWITCH.test(value)) return false;
  return isSecretName(name) || (looksSecret(value) && !(DIGEST_NAME.test(name) && /^[0-9a-f-]{1,128}$/iu.test(value)));
}

/** What of a value must not be seen again: all of it, or the password in an address. */
export function secretParts(name: string, value: string): string[] {
  if (!isSecret(name, value)) return [];
  if (isSecretName(name) || looksRandom(value)) {
    // A scheme and a host are words of many texts.
    const path = value.replace(/^[a-z][\w+.-]{0,20}:\/\/[^\s/@]{1,256}\//iu, '');
    return [path.length >= 8 ? path : value];
  }
  const parts = secretsWithin(value);
  return parts.flatMap((part) => (part.includes(':') ? [part, part.slice(part.indexOf(':') + 1)] : [part]));
}

/** The secrets in a text, without the quotes around them. */
export function secretsWithin(text: string): string[] {
  const parts: string[] = [];
  let at = 0;
  for (const [index, kept] of redactSecrets(text).split(REDACTED).entries()) {
    const next = kept !== '' ? text.indexOf(kept, at) : index === 0 ? 0 : text.length;
    if (next > at) parts.push(text.slice(at, next));
    at = next === -1 ? text.length : next + kept.length;
  }
  return parts.map((part) => part.replace(/^["']|["']$/gu, ''));
}

/** Whether a value without a name is a secret, or holds one. */
function looksSecret(value: string): boolean {
  return looksRandom(value) || redactSecrets(value) !== value;
}

/** A long word of mixed letters and digits: nobody types that but a key. Commits, UUIDs, dates, versions and paths are none. */
function looksRandom(value: string): boolean {
  if (!/^[\w+/=-]{24,512}$/u.test(value) || /^[./]/u.test(value) || /^[0-9a-f]{40}$/u.test(value)) return false;
  if (/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/iu.test(value)) return false;
  if (!/[a-z]/iu.test(value) || value.split(/[-_/+=]/u).every(isOrdinary)) return false;
  const digits = value.match(/\d/gu)?.length ?? 0;
  return digits >= 4 || (value.match(/\d[A-Za-z]|[A-Za-z]\d/gu)?.length ?? 0) >= 4;
}

/** A word, a number, a word with a number: "sd", "2026", "fp16", "Stable", "v1". */
function isOrdinary(piece: string): boolean {
  return /^(?:\d{0,8}|[a-z]{1,20}\d{0,4}|[A-Z]{1,20}\d{0,4}|[A-Z][a-z]{1,19}\d{0,4}|v?\d{1,4}[a-z]{1,4}|\d{2,8}T\d{2,6}Z?)$/u.test(
    piece,
  );
}

/** The address of a remote, a script or a page without what may be a key in it: user, password, and all of its query. */
export function redactAddress(url: string): string {
  const at = url.indexOf('?');
  return redactSecrets(at === -1 || !url.includes('://') ? url : `${url.slice(0, at)}${QUERY_HIDDEN}`);
}

const QUERY_HIDDEN = '?…';

/** Whether something was taken out of this address: then it leads nowhere. */
export function isRedactedAddress(url: string): boolean {
  return url.includes(REDACTED) || url.endsWith(QUERY_HIDDEN);
}
