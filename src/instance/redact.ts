/** Names of variables whose values are nobody's business. */
const SECRET_NAME = /token|secret|passw(?:or)?d|api_?key|access_?key|private_?key|credential|_auth$/iu;

/** Shorter values occur in every text: "1" is what a template sets as a token. */
const SHORTEST_SECRET = 6;

const SHOWN = '[redacted]';

export function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name);
}

/**
 * A text of the machine without what would let its reader in (traps 24: caddy.log and open_path hold web credentials).
 * What is taken out may show that more is to be taken out; a text that was redacted stays as it is.
 */
export function redactSecrets(text: string): string {
  // It ends: each round but the last leaves less beside SHOWN, which no pattern takes apart.
  for (let before = text; ; ) {
    const after = redactOnce(before);
    if (after === before) return after;
    before = after;
  }
}

/** No pattern may look back far: a log line can be one long word. */
function redactOnce(text: string): string {
  return text
    .replace(/\b(Bearer|Basic)\s+[\w.~+/=-]{4,}/giu, `$1 ${SHOWN}`)
    .replace(
      /([?&][\w.-]{0,40}(?:token|key|password|passwd|secret|signature|credential|policy|auth)[\w.-]{0,40}=)[^&\s"']+/giu,
      `$1${SHOWN}`,
    )
    .replace(/(\w:\/\/)[^\s/@:"']{0,256}:[^\s/@"']{1,512}@/gu, `$1${SHOWN}@`)
    .replace(/\$2[aby]?\$\d\d\$[./A-Za-z0-9]{22,53}/gu, SHOWN)
    .replace(/(--[\w-]{0,40}auth(?:-path)?(?:\s+|=))("[^"]*"|'[^']*'|\S+)/giu, `$1${SHOWN}`)
    .replace(
      /(--[\w-]{0,40}(?:token|secret|passw(?:or)?d|api-?key)[\w-]{0,40}\s+)("[^"]*"|'[^']*'|(?!-)\S+)/giu,
      `$1${SHOWN}`,
    )
    .replace(
      /((?:token|secret|passw(?:or)?d|api[_-]?key)\w{0,40}["']?\s{0,8}[=:]\s{0,8}(?:\[(?!redacted\]))?)("[^"]*"|'[^']*'|(?:\[redacted\]|[^\s,;\]])+)/giu,
      `$1${SHOWN}`,
    )
    .replace(/((?:api[\s_-]?key|token|civitai)\b[^\n]{0,24}?\b)[0-9a-f]{32,64}\b/giu, `$1${SHOWN}`)
    .replace(/\b(?:hf_|sk-|ghp_|gho_|ghs_|github_pat_|glpat-)[\w-]{8,}/gu, SHOWN)
    .replace(/\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]+)?/gu, SHOWN)
    .replace(/\bAKIA[0-9A-Z]{16}\b/gu, SHOWN);
}

/** Takes out what looks like a secret, and these values, also as they stand in addresses. */
export function createRedactor(secrets: readonly (string | null)[]): (text: string) => string {
  const values = secrets
    .filter((value) => value !== null)
    .map((value) => value.trim())
    .filter((value) => value.length >= SHORTEST_SECRET && !SHOWN.includes(value))
    .flatMap((value) => [value, encodeURIComponent(value.replace(/\p{Surrogate}/gu, '\ufffd'))]);
  // A value that holds another one goes first.
  const known = [...new Set(values)].sort((one, other) => other.length - one.length);
  return (text) => redactSecrets(known.reduce((shown, value) => shown.replaceAll(value, SHOWN), text));
}
