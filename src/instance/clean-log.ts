// biome-ignore lint/suspicious/noControlCharactersInRegex: matching control characters is the point
const ESCAPES = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[@-Z\\-_])/gu;

/**
 * A log line of a machine as one safe line: the last state of a progress bar, no escapes, no control characters, and no
 * tokens (traps 24: caddy.log and the container's output hold web credentials).
 */
export function cleanRemoteLine(text: string): string {
  const shown = text.replace(/\r+$/u, '').split('\r').at(-1) ?? '';
  return redactTokens(
    shown
      .replace(ESCAPES, '')
      .replace(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' ')
      .trim(),
  );
}

function redactTokens(text: string): string {
  return text
    .replace(/\bBearer\s+[\w.~+/=-]+/giu, 'Bearer [redacted]')
    .replace(/([?&](?:token|api_key|key|password|secret)=)[^&\s"']+/giu, '$1[redacted]')
    .replace(
      /\b(\w*(?:token|secret|passw(?:or)?d|api_key)\w*["']?\s*[=:]\s*)("[^"]*"|'[^']*'|[^\s,;]+)/giu,
      '$1[redacted]',
    )
    .replace(/\b(hf_|sk-|ghp_|github_pat_)[\w-]{8,}/gu, '[redacted]');
}
