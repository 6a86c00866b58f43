import { KnownValues } from '../secrets/known-values.js';
import { REDACTED, redactSecrets, secretParts } from '../secrets/redact.js';
import { isSecretName } from '../secrets/secret-name.js';
import { rememberSent, rememberVariables } from '../secrets/sent.js';

/** Fields of the API that are secrets by what they mean, beside those whose names say so. */
const PRIVATE_FIELD = /^(?:image_login|docker_login_\w{1,40}|ssh_key|sid)$/iu;
/** Places in lists, and the names of variables. */
const OPEN_FIELD = /^(?:next_token|after_token|key)$/iu;
/** What is all the user's own, and may be anything. */
const VALUES_ARE_PRIVATE = /^(?:env|extra_env|secrets|onstart)$/u;
/** Texts of the user that an API may quote when it refuses them. */
const QUOTED_FIELD = /^(?:value|image_login|onstart|docker_login_\w{1,40}|password|secret)$/u;
/** A value of the account is hidden even when it is short. */
const SHORTEST_VALUE = 4;

/** A copy for the wire log: values under secret-looking keys, and every variable's value, are replaced. */
export function redactJson(value: unknown, key = ''): unknown {
  if (isPrivateField(key) && value !== null && typeof value !== 'object') return REDACTED;
  if (VALUES_ARE_PRIVATE.test(key)) return redactVariables(value);
  if (Array.isArray(value)) return value.map((item) => redactJson(item));
  if (typeof value !== 'object' || value === null) return typeof value === 'string' ? redactSecrets(value) : value;
  const isSecret = 'key' in value && 'value' in value;
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [
      name,
      isSecret && name === 'value' ? REDACTED : redactJson(item, name),
    ]),
  );
}

function isPrivateField(key: string): boolean {
  return key !== '' && !OPEN_FIELD.test(key) && (PRIVATE_FIELD.test(key) || isSecretName(key));
}

function redactVariables(value: unknown): unknown {
  if (typeof value === 'string') return REDACTED;
  if (Array.isArray(value)) return value.map((pair) => (Array.isArray(pair) ? [pair[0], REDACTED] : REDACTED));
  if (typeof value !== 'object' || value === null) return value;
  // Port flags are written as names with the value "1"; they are the interesting part of a log.
  return Object.fromEntries(Object.keys(value).map((name) => [name, name.startsWith('-') ? '1' : REDACTED]));
}

/**
 * What of a request must not come back in a message: an API may quote what it refuses. Of this call's answer all values of
 * variables are hidden; what is surely secret is hidden from everything that this process says from now on.
 */
export function sentIn(body: unknown): KnownValues {
  const sent = new KnownValues();
  collect(body, '', sent);
  return sent;
}

function collect(value: unknown, key: string, sent: KnownValues): void {
  if (typeof value === 'string') {
    if (QUOTED_FIELD.test(key) || isPrivateField(key)) sent.add(value, SHORTEST_VALUE);
    for (const part of secretParts(key === 'onstart' || key === 'value' ? '' : key, value)) sent.add(part);
    if (key !== 'onstart' && (QUOTED_FIELD.test(key) || isPrivateField(key))) rememberSent(value);
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  if (VALUES_ARE_PRIVATE.test(key)) {
    const pairs = variablesOf(value);
    for (const [, text] of pairs) sent.add(text, SHORTEST_VALUE);
    rememberVariables(pairs);
    return;
  }
  for (const [name, item] of Object.entries(value)) collect(item, Array.isArray(value) ? '' : name, sent);
}

function variablesOf(value: object): [string, string][] {
  const pairs: unknown[] = Array.isArray(value) ? value : Object.entries(value);
  return pairs.flatMap((pair): [string, string][] =>
    Array.isArray(pair) && typeof pair[1] === 'string' && !String(pair[0]).startsWith('-')
      ? [[String(pair[0]), pair[1]]]
      : [],
  );
}
