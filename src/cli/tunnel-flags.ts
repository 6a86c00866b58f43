import { resolve } from 'node:path';
import { Args, Flags } from '@oclif/core';
import type { Instance } from '../vast/model.js';
import { looksLikeForward, parseForward, parseForwards, parseReverse, parseSocks } from '../workflows/tunnel/specs.js';
import type { ForgeContext } from './context.js';
import type { TunnelRequest } from './tunnel-request.js';
import { splitTunnelWords } from './tunnel-words.js';

export const tunnelArgs = {
  instance: Args.string({
    description: 'Instance by id, C.<id>, label or unique start of a label. May be left out when there is exactly one.',
  }),
  forward: Args.string({
    description:
      'Services by name (forge portal jupyter syncthing tensorboard, or as /etc/portal.yaml names them), ports (LOCAL:REMOTE, 9000-9002, LOCAL:HOST:REMOTE, BIND:LOCAL:REMOTE) or PATH.sock:REMOTE; REMOTE may be a service. Without one: forge.',
  }),
};

export const tunnelFlags = {
  all: Flags.boolean({ description: "All services of the machine's /etc/portal.yaml." }),
  'any-host': Flags.boolean({
    description:
      'Let the services answer to every host name. Otherwise to localhost and the address of --bind alone: a page of the web could have its own name lead here (DNS rebinding).',
    env: 'FORGECTL_ANY_HOST',
  }),
  'auto-port': Flags.boolean({
    description: 'When a local port is taken, take the next free one.',
    env: 'FORGECTL_AUTO_PORT',
  }),
  bind: Flags.string({
    description: 'Listen on this address instead of 127.0.0.1 and ::1. Others may then reach the service.',
    env: 'FORGECTL_BIND',
    helpValue: 'ADDRESS',
  }),
  reverse: Flags.string({
    char: 'R',
    description:
      "A port of the machine that leads to this computer; may be repeated. Listens on the machine's loopback.",
    helpValue: '[BIND:]REMOTE:[HOST:]LOCAL',
    multiple: true,
    multipleNonGreedy: true,
  }),
  socks: Flags.string({
    char: 'D',
    description: 'A SOCKS proxy (5, 4 and 4a) on this port, which reaches what the machine reaches; may be repeated.',
    helpValue: '[BIND:]PORT',
    multiple: true,
    multipleNonGreedy: true,
  }),
  'ssh-key': Flags.string({ description: 'Private key to log in with.', env: 'FORGECTL_SSH_KEY', helpValue: 'FILE' }),
};

interface TypedFlags {
  all: boolean;
  'any-host': boolean;
  'auto-port': boolean;
  bind: string | undefined;
  reverse: string[] | undefined;
  socks: string[] | undefined;
  'ssh-key': string | undefined;
}

/** What is wrong with the line is said before anybody is asked and anything is opened. */
export async function readTunnelRequest(
  context: ForgeContext,
  words: readonly string[],
  flags: TypedFlags,
): Promise<TunnelRequest> {
  parseForwards(words.filter(looksLikeForward));
  for (const word of flags.reverse ?? []) parseReverse(word);
  for (const word of flags.socks ?? []) parseSocks(word);
  const vast = await context.vast();
  const { instance, forwards } = splitTunnelWords(await vast.instances.list(), words, context.selfId);
  return requestFor(instance, forwards, flags);
}

function requestFor(instance: Instance, forwards: readonly string[], flags: TypedFlags): TunnelRequest {
  const address = flags.bind === undefined || flags.bind === 'localhost' ? null : flags.bind;
  const { reverse = [], socks = [] } = flags;
  const wantsForge = forwards.length === 0 && !flags.all && reverse.length === 0 && socks.length === 0;
  const words = (wantsForge ? ['forge'] : forwards).map(withAbsolutePath);
  return {
    instance,
    words,
    specs: parseForwards(words, address),
    reverse,
    socks,
    all: flags.all,
    autoPort: flags['auto-port'],
    address,
    anyHost: flags['any-host'],
    sshKey: flags['ssh-key'] === undefined ? null : resolve(flags['ssh-key']),
  };
}

/** The background process lives in another directory. */
function withAbsolutePath(word: string): string {
  const [spec] = parseForward(word);
  if (spec?.local?.kind !== 'unix') return word;
  return `${resolve(spec.local.path)}${word.slice(spec.local.path.length)}`;
}
