import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT, ForgeError } from '../errors.js';
import { isLoopbackHost } from '../loopback.js';
import { redactSecrets } from '../secrets/redact.js';
import { deleteCredential } from './credentials.js';
import { type Paths, writePrivateFile } from './paths.js';
import { readJsonFile } from './settings.js';

/** A named API endpoint with its credential and SSH identity. */
export interface NamedContext {
  name: string;
  /** Null for the sandbox while it does not run. */
  apiUrl: string | null;
  sshKey: string | null;
  builtIn: boolean;
}

const DEFAULT_API_URL = 'https://console.vast.ai';
const BUILT_IN = new Set(['vast', 'sandbox']);

interface StoredContexts {
  current?: string;
  contexts?: Record<string, { api_url: string; ssh_key?: string | null }>;
}

export class Contexts {
  private readonly paths: Paths;
  private readonly env: NodeJS.ProcessEnv;
  private readonly file: string;
  private stored: StoredContexts;

  constructor(paths: Paths, env: NodeJS.ProcessEnv) {
    this.paths = paths;
    this.env = env;
    this.file = join(paths.configDir, 'contexts.json');
    this.stored = readJsonFile(this.file) as StoredContexts;
  }

  get currentName(): string {
    return this.stored.current ?? 'vast';
  }

  list(): NamedContext[] {
    return ['vast', 'sandbox', ...Object.keys(this.stored.contexts ?? {})].map((name) => this.get(name));
  }

  /** Throws "not found" with the names that exist. */
  get(name: string): NamedContext {
    if (name === 'vast') return { name, apiUrl: this.env['VAST_URL'] || DEFAULT_API_URL, sshKey: null, builtIn: true };
    if (name === 'sandbox') return { name, apiUrl: this.sandboxUrl(), sshKey: null, builtIn: true };
    const own = Object.hasOwn(this.stored.contexts ?? {}, name) ? this.stored.contexts?.[name] : undefined;
    if (own !== undefined) return { name, apiUrl: own.api_url, sshKey: own.ssh_key ?? null, builtIn: false };
    throw new ForgeError(`There is no context "${name}".`, {
      code: 'CONTEXT_NOT_FOUND',
      exit: EXIT.notFound,
      hint: `Contexts: ${['vast', 'sandbox', ...Object.keys(this.stored.contexts ?? {})].join(', ')}`,
    });
  }

  /** Where the key goes. Throws for an address that it must not go to, whoever has set it. */
  usableUrl(name: string): string | null {
    const { apiUrl } = this.get(name);
    if (apiUrl === null) return null;
    refuseBadUrl(apiUrl, name === 'vast' ? 'VAST_URL' : name);
    return apiUrl;
  }

  async use(name: string): Promise<void> {
    this.get(name);
    await this.save({ ...this.stored, current: name });
  }

  /** Throws when the name or the address cannot be used. */
  refuseAddition(name: string, apiUrl: string): void {
    if (!/^[a-z0-9][a-z0-9_.-]{0,62}$/iu.test(name)) {
      throw new ForgeError(`"${name}" cannot be the name of a context.`, {
        code: 'BAD_CONTEXT_NAME',
        exit: EXIT.usage,
        hint: 'Letters, digits, dot, dash and underscore, at most 63.',
      });
    }
    if (BUILT_IN.has(name) || Object.hasOwn(this.stored.contexts ?? {}, name)) {
      throw new ForgeError(`There is a context "${name}" already.`, {
        code: 'CONTEXT_EXISTS',
        exit: EXIT.conflict,
        hint: 'Choose another name, or forgectl context rm it first.',
      });
    }
    refuseBadUrl(apiUrl, name);
  }

  async add(name: string, { apiUrl, sshKey }: { apiUrl: string; sshKey: string | null }): Promise<void> {
    this.refuseAddition(name, apiUrl);
    await this.save({
      ...this.stored,
      contexts: { ...this.stored.contexts, [name]: { api_url: apiUrl, ssh_key: sshKey } },
    });
  }

  refuseRemoval(name: string): void {
    this.get(name);
    if (BUILT_IN.has(name)) {
      throw new ForgeError(`The context ${name} is built in.`, {
        code: 'CONTEXT_BUILT_IN',
        exit: EXIT.usage,
        hint: 'Only added contexts can be removed.',
      });
    }
    if (this.currentName === name) {
      throw new ForgeError(`${name} is the current context.`, {
        code: 'CONTEXT_IN_USE',
        exit: EXIT.conflict,
        hint: 'forgectl context use vast',
      });
    }
  }

  async remove(name: string): Promise<void> {
    this.refuseRemoval(name);
    const { [name]: _gone, ...rest } = this.stored.contexts ?? {};
    deleteCredential(this.paths, name);
    await this.save({ ...this.stored, contexts: rest });
  }

  /** What the running sandbox says of itself. */
  private sandboxUrl(): string | null {
    try {
      const { url } = JSON.parse(readFileSync(join(this.paths.sandboxDir, 'sandbox.json'), 'utf8')) as { url: string };
      // Its key is for this computer.
      return isLoopbackHost(new URL(url).hostname) ? url : null;
    } catch {
      return null;
    }
  }

  private async save(stored: StoredContexts): Promise<void> {
    await writePrivateFile(this.file, `${JSON.stringify(stored, null, 2)}\n`);
    this.stored = stored;
  }
}

export function loadContexts(options: { paths: Paths; env: NodeJS.ProcessEnv }): Contexts {
  return new Contexts(options.paths, options.env);
}

/** The key goes to this address with every call, so plain http is for this computer only. `whose`: for the message. */
function refuseBadUrl(text: string, whose: string): void {
  const url = URL.canParse(text) ? new URL(text) : null;
  const isSafe = url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopbackHost(url.hostname));
  if (url !== null && isSafe && url.username === '' && url.password === '') return;
  throw new ForgeError(`"${redactSecrets(text)}" cannot be the API address of ${whose}.`, {
    code: 'BAD_API_URL',
    exit: EXIT.usage,
    hint: 'Give an https:// address (http:// only on this computer), without user or password.',
  });
}
