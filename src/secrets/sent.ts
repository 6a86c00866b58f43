import { KnownValues } from './known-values.js';
import { redactSecrets, secretParts } from './redact.js';

/** What this process has sent anywhere: the other side may quote it, in an answer, an error or a log. */
const sent = new KnownValues();

/** From now on it is in no message, journal or debug line of this process. */
export function rememberSent(value: string): void {
  sent.add(value);
}

/** Of variables, those whose values are nobody's business. The others are words like "/workspace". */
export function rememberVariables(variables: Iterable<readonly [name: string, value: string]>): void {
  for (const [name, value] of variables) for (const part of secretParts(name, value)) rememberSent(part);
}

/** Of a script or a manifest, what it sets secret variables to, and what looks like a secret in it. */
export function rememberText(text: string): void {
  for (const [, name = '', value = ''] of text.matchAll(ASSIGNMENT)) {
    const bare = value.replace(/^["']|["']$/gu, '');
    if (!/^[$<{]/u.test(bare)) rememberVariables([[name, bare]]);
  }
}

const ASSIGNMENT = /\b([A-Za-z_]\w{0,63})["']?\s{0,4}[=:]\s{0,4}("[^"\n]{1,512}"|'[^'\n]{1,512}'|[^\s"';#]{1,512})/gu;

/** A text that goes out of this process, without the secrets that it has sent. */
export function withoutSent(text: string): string {
  return sent.hide(text);
}

/** The same for each text in a document. */
export function withoutSentIn<T>(document: T): T {
  return sent.hideIn(document) as T;
}

/** What somebody else says to us, for a message: without what was sent, and without what looks like a secret. */
export function quoted(text: string): string {
  return redactSecrets(withoutSent(text));
}
