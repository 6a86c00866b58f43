import { keyNotMeant, resolveCredential } from '../config/credentials.js';
import { Secret } from '../config/secret.js';
import { EXIT, ForgeError } from '../errors.js';
import { documentText, writeErr } from '../ui/door.js';
import type { WireEntry } from '../vast/client.js';
import type { User } from '../vast/model.js';
import type { Vast } from '../vast/vast.js';
import type { ForgeContext } from './context.js';

export interface Account {
  vast: Vast;
  close(): Promise<void>;
}

/** The API with the context's key. Throws "not signed in" when there is none. */
export async function openAccount(context: ForgeContext): Promise<Account> {
  const credential = resolveCredential({ context: context.name, paths: context.paths, env: process.env });
  if (credential === null) {
    throw new ForgeError(`You are not signed in to ${context.name}.`, {
      code: 'NOT_SIGNED_IN',
      exit: EXIT.notPermitted,
      hint: notSignedInHint(context.name),
    });
  }
  if (credential.warning !== null) context.reporter.warn(credential.warning);
  const vast = await vastWith(context, credential.key);
  return { vast, close: () => vast.close() };
}

function notSignedInHint(name: string): string {
  const why = keyNotMeant(name, process.env);
  if (why === null && name === 'vast')
    return 'forgectl login, or set FORGECTL_API_KEY. Without an account: add --sandbox.';
  const words = `forgectl login --context ${name}, or set FORGECTL_API_KEY and FORGECTL_CONTEXT=${name}.`;
  return why === null ? words : `${why}\n${words}`;
}

async function vastWith(context: ForgeContext, key: Secret): Promise<Vast> {
  const [{ VastClient }, { createVast }] = await Promise.all([import('../vast/client.js'), import('../vast/vast.js')]);
  const { apiUrl } = context;
  if (apiUrl === null)
    throw new ForgeError('The sandbox does not run.', {
      code: 'SANDBOX_NOT_RUNNING',
      exit: EXIT.notReady,
      hint: 'forgectl sandbox start',
    });
  const client = new VastClient({
    baseUrl: apiUrl,
    apiKey: () => key.reveal(),
    clock: context.clock,
    userAgent: `forgectl/${context.version}`,
    signal: () => context.interruption.signal,
    timeoutMs: context.settings.get('api_timeout') * 1000,
    ...(context.debug ? { onWire: (entry) => writeWireLine(entry) } : {}),
  });
  return createVast(client, context.clock);
}

function writeWireLine(entry: WireEntry): void {
  const short = (value: unknown): string => {
    const text = value === undefined ? '' : documentText(value);
    return text.length > 600 ? `${text.slice(0, 600)}… (${text.length} characters)` : text;
  };
  const { method, url, status, elapsedMs, sent, received } = entry;
  const lines = [`debug: ${method} ${url} → ${status ?? 'no answer'} in ${elapsedMs} ms`];
  if (sent !== undefined) lines.push(`debug:   sent ${short(sent)}`);
  lines.push(`debug:   received ${short(received)}`);
  writeErr(`${lines.join('\n')}\n`);
}

/** Who a key belongs to; for `login`, before anything is written. */
export async function userOfKey(context: ForgeContext, typed: string): Promise<User> {
  const { checkedKey } = await import('../config/credentials.js');
  const vast = await vastWith(context, new Secret(checkedKey(typed)));
  try {
    return await vast.account.getUser();
  } finally {
    await vast.close();
  }
}

export function describeCredential(context: ForgeContext): string | null {
  return resolveCredential({ context: context.name, paths: context.paths, env: process.env })?.source ?? null;
}
