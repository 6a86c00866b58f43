const SECRET_KEY =
  /^(authorization|api_?key|instance_api_key|jupyter_token|image_login|docker_login_\w+|ssh_key|sid|password|secret|.*token.*|.*passw.*|.*secret.*|.*api_?key.*)$/iu;
const OPEN_KEY = /^(next_token|after_token)$/iu;
/** Objects whose values are all the user's own and may be anything. */
const VALUES_ARE_PRIVATE = /^(env|extra_env|secrets)$/u;

const REDACTED = '[redacted]';

/** A copy for the wire log: values under secret-looking keys, and every variable's value, are replaced. */
export function redactJson(value: unknown, key = ''): unknown {
  if (key !== '' && SECRET_KEY.test(key) && !OPEN_KEY.test(key) && value !== null && typeof value !== 'object')
    return REDACTED;
  if (key === 'onstart' && typeof value === 'string') return redactText(value);
  if (VALUES_ARE_PRIVATE.test(key)) return redactVariables(value);
  if (Array.isArray(value)) return value.map((item) => redactJson(item));
  if (typeof value !== 'object' || value === null) return typeof value === 'string' ? redactText(value) : value;
  const isSecret = 'key' in value && 'value' in value;
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [
      name,
      isSecret && name === 'value' ? REDACTED : redactJson(item, name),
    ]),
  );
}

function redactVariables(value: unknown): unknown {
  if (typeof value === 'string') return REDACTED;
  if (Array.isArray(value)) return value.map((pair) => (Array.isArray(pair) ? [pair[0], REDACTED] : REDACTED));
  if (typeof value !== 'object' || value === null) return value;
  // Port flags are written as names with the value "1"; they are the interesting part of a log.
  return Object.fromEntries(Object.keys(value).map((name) => [name, name.startsWith('-') ? '1' : REDACTED]));
}

/** An answer may quote a secret that was sent; a shorter one would be found in every text. */
export function withoutSent(text: string, sent: unknown): string {
  const { key, value } = (sent ?? {}) as { key?: unknown; value?: unknown };
  if (typeof key !== 'string' || typeof value !== 'string' || value.length < 4) return text;
  return text.replaceAll(JSON.stringify(value).slice(1, -1), REDACTED).replaceAll(value, REDACTED);
}

/** Tokens as they occur inside text: bearer headers, query parameters, NAME=value of secret-looking names, known key prefixes. */
export function redactText(text: string): string {
  return text
    .replace(/\bBearer\s+[\w.~+/=-]+/giu, `Bearer ${REDACTED}`)
    .replace(/([?&](?:token|api_key|key|password|secret)=)[^&\s"']+/giu, `$1${REDACTED}`)
    .replace(
      /\b(\w*(?:TOKEN|SECRET|PASSWORD|PASSWD|API_KEY)\w*\s*[=:]\s*)("[^"]*"|'[^']*'|[^\s,;]+)/giu,
      `$1${REDACTED}`,
    )
    .replace(/\b(hf_|sk-|ghp_|github_pat_)[\w-]{8,}/gu, REDACTED);
}
