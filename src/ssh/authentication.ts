import type { AnyAuthMethod } from 'ssh2';
import { agentWithOneKey } from './agent.js';
import { fingerprint } from './host-keys.js';
import type { Identity } from './identity.js';

/** sshd's MaxAuthTries: the sixth refusal hangs up, and "hung up" says less than "refused". */
const MAX_OFFERS = 5;

/** Offers the identities one after the other, and remembers what was offered. */
export class KeyOffers {
  /** "SHA256:… (forgectl's own key)" */
  readonly offered: string[] = [];
  private readonly user: string;
  private readonly waiting: Identity[];
  private readonly whileAsking: <T>(answer: Promise<T>) => Promise<T>;

  constructor(user: string, identities: readonly Identity[], whileAsking: <T>(answer: Promise<T>) => Promise<T>) {
    this.user = user;
    this.waiting = identities.slice(0, MAX_OFFERS);
    this.whileAsking = whileAsking;
  }

  /** The next method to try, or false when there is none left. `methodsLeft` is null before the first. */
  async next(methodsLeft: readonly string[] | null): Promise<AnyAuthMethod | false> {
    if (methodsLeft !== null && !methodsLeft.includes('publickey')) return false;
    for (let identity = this.waiting.shift(); identity !== undefined; identity = this.waiting.shift()) {
      const method = await this.methodFor(identity);
      if (method === null) continue;
      this.offered.push(`${fingerprintOf(identity)} (${identity.description})`);
      return method;
    }
    return false;
  }

  private async methodFor(identity: Identity): Promise<AnyAuthMethod | null> {
    const { agentSocket, privateKey, publicKey } = identity;
    if (agentSocket !== null)
      return { type: 'agent', username: this.user, agent: await agentWithOneKey(agentSocket, publicKey) };
    if (privateKey === null) return null;
    const passphrase = identity.passphrase ?? (await this.ask(identity));
    if (passphrase === null && identity.unlock !== undefined) return null;
    const key = { type: 'publickey' as const, username: this.user, key: privateKey };
    return passphrase === null ? key : { ...key, passphrase };
  }

  /** Null when the key is open, or stays locked: a key that was not asked for must not end a login that has others. */
  private async ask({ unlock }: Identity): Promise<string | null> {
    if (unlock === undefined) return null;
    return this.whileAsking(unlock()).catch(() => null);
  }
}

function fingerprintOf({ publicKey }: Identity): string {
  return fingerprint(Buffer.from(publicKey.split(' ')[1] ?? '', 'base64'));
}
