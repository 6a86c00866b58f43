import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { writePrivateFile } from '../config/paths.js';
import {
  applyChange,
  type FileChange,
  includeLine,
  readConfig,
  withInclude,
  withoutInclude,
} from '../ssh/config-include.js';
import type { Identity } from '../ssh/identity.js';
import { aliasesOfOthers, type HostEntry, literalHosts, safeAlias, withSection } from '../ssh/openssh-config.js';
import { unifiedDiff } from '../ui/line-diff.js';
import { cleanLine } from '../ui/sanitize.js';
import type { Instance } from '../vast/model.js';
import { ownProgram } from './argv.js';
import type { ForgeContext } from './context.js';
import { chooseIdentities } from './machine-access.js';
import { nameOf } from './select-instances.js';

interface ConfigHost {
  id: number;
  label: string | null;
  aliases: string[];
}

export interface SshConfigPlan {
  hosts: ConfigHost[];
  /** Our file, then the user's: what is included exists before it is. */
  changes: [managed: FileChange, user: FileChange];
  /** The one line in the user's file. */
  include: string;
  /** Names that were not taken, and why. */
  notes: string[];
}

/** Variables without which another process would look at other files. None of them is a secret. */
const PLACES = [
  'FORGECTL_CONFIG_DIR',
  'FORGECTL_STATE_DIR',
  'FORGECTL_SANDBOX_DIR',
  'XDG_CONFIG_HOME',
  'XDG_STATE_HOME',
];

export async function planSshConfig(
  context: ForgeContext,
  instances: readonly Instance[],
  sshKey: string | null,
): Promise<SshConfigPlan> {
  const files = readFiles(context);
  const notes: string[] = [];
  const hosts = nameHosts(instances, {
    taken: new Set([...literalHosts(files.user ?? ''), ...aliasesOfOthers(files.managed, context.name)]),
    idAlias: (id) => context.hostKeys.alias(String(id)),
    note: (text) => notes.push(text),
  });
  const identityFiles = await identityFilesOf(context, sshKey);
  const entries = hosts.map((host) => entryOf(context, host, { identityFiles, sshKey }));
  const managed = withSection(files.managed, context.name, entries);
  return {
    hosts,
    notes,
    include: files.include,
    changes: [
      { path: files.managedPath, before: files.managed, after: managed },
      { path: files.userPath, before: files.user, after: withInclude(files.user, files.include) },
    ],
  };
}

/** Takes this context's hosts away, and with the last ones the file and the line that includes it. */
export function planSshConfigRemoval(context: ForgeContext): SshConfigPlan {
  const { managedPath, managed, userPath, user, include } = readFiles(context);
  const left = withSection(managed, context.name, null);
  return {
    hosts: [],
    notes: [],
    include,
    changes: [
      { path: managedPath, before: managed, after: left },
      { path: userPath, before: user, after: left === null ? withoutInclude(user, include) : user },
    ],
  };
}

export async function applySshConfig({ changes: [managed, user] }: SshConfigPlan): Promise<void> {
  // A line that includes what is not there would be harmless, but the other order never is one.
  for (const change of managed.after === null ? [user, managed] : [managed, user]) await applyChange(change);
}

export function diffOf({ changes }: SshConfigPlan): string {
  const text = (bytes: string | null): string | null =>
    bytes === null ? null : Buffer.from(bytes, 'latin1').toString('utf8');
  return changes.map(({ path, before, after }) => unifiedDiff(path, text(before), text(after))).join('');
}

function readFiles(context: ForgeContext) {
  const directory = join(context.paths.home, '.ssh');
  const [managedPath, userPath] = [join(directory, 'forgectl.conf'), join(directory, 'config')];
  return {
    managedPath,
    managed: readConfig(managedPath),
    userPath,
    user: readConfig(userPath),
    include: includeLine(managedPath),
  };
}

/** `forgectl-<id>` always; the label when it can be a name, is no other instance's, and means no other machine. */
function nameHosts(
  instances: readonly Instance[],
  { taken, idAlias, note }: { taken: Set<string>; idAlias: (id: number) => string; note: (text: string) => void },
): ConfigHost[] {
  const wishes = instances.map(({ label }) => safeAlias(label ?? ''));
  const ids = new Set(instances.map(({ id }) => idAlias(id)));
  return instances.map((instance, index) => {
    const { id, label } = instance;
    const wish = wishes[index] ?? null;
    const isFree = wish !== null && !taken.has(wish) && !ids.has(wish);
    const isSingle = wishes.filter((other) => other === wish).length === 1;
    if (wish !== null && !isFree)
      note(`${nameOf(instance)}: "${wish}" is another host's name already; use ${idAlias(id)}.`);
    else if (wish !== null && !isSingle) note(`${nameOf(instance)}: "${wish}" would be several; use ${idAlias(id)}.`);
    return { id, label, aliases: wish !== null && isFree && isSingle ? [wish, idAlias(id)] : [idAlias(id)] };
  });
}

function entryOf(
  context: ForgeContext,
  { id, label, aliases }: ConfigHost,
  { identityFiles, sshKey }: { identityFiles: readonly string[]; sshKey: string | null },
): HostEntry {
  const hostKeys = context.hostKeys;
  const places = PLACES.filter((name) => process.env[name]).map((name) => `${name}=${process.env[name]}`);
  const program = [process.execPath, ...ownProgram()];
  return {
    aliases,
    comment: cleanLine(`${id}${label === null || label === '' ? '' : ` ${label}`}`),
    user: 'root',
    hostKeyAlias: hostKeys.alias(String(id)),
    knownHostsFile: hostKeys.file(String(id)),
    identityFiles,
    proxyWords: [
      ...(places.length === 0 ? [] : ['env', ...places]),
      ...program,
      'ssh',
      '--stdio',
      `--context=${context.name}`,
      ...(sshKey === null ? [] : [`--ssh-key=${sshKey}`]),
      String(id),
    ],
  };
}

/** What forgectl itself would offer, in the same order; of a key that the agent holds, the public half in a file. */
async function identityFilesOf(context: ForgeContext, sshKey: string | null): Promise<string[]> {
  const identities = await chooseIdentities(context, sshKey ?? context.settings.get('ssh_key'));
  return Promise.all(identities.map((identity) => identity.path ?? publicHalf(context, identity)));
}

async function publicHalf(context: ForgeContext, { publicKey }: Identity): Promise<string> {
  const name = createHash('sha256')
    .update(publicKey.split(' ')[1] ?? '')
    .digest('hex')
    .slice(0, 16);
  const path = join(context.paths.configDir, 'ssh', `agent-${name}.pub`);
  if (readConfig(path) === null) await writePrivateFile(path, `${publicKey}\n`);
  return path;
}
