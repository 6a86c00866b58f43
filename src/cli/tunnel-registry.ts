import { existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { writePrivateFile } from '../config/paths.js';
import { EXIT, ForgeError } from '../errors.js';
import { isRunning, type ProcessIdentity, thisProcess } from '../process-identity.js';
import { FileLock } from '../workflows/file-lock.js';
import { shellWord } from './typed-command.js';

/** A tunnel in the background, as the others find it. Holds no secret. */
export interface TunnelEntry extends ProcessIdentity {
  instance_id: number;
  label: string | null;
  /** Where it is asked and told. */
  socket: string;
  /** ISO time. */
  since: string;
}

/** The kernel's limit for the name of a UNIX socket is 104 bytes on macOS, 108 on Linux. */
const LONGEST_SOCKET_NAME = 100;
/** The name of a directory for one socket begins so. */
const OWN_PLACE = 'forgectl-tunnel-';
const OWN_SOCKET = 'sock';

/** The background tunnels of one context on this computer, one file each. */
export class TunnelRegistry {
  private readonly directory: string;

  constructor(stateDir: string, context: string) {
    this.directory = join(stateDir, 'tunnels', context);
  }

  /** Those whose process runs. What a killed one has left is swept away. */
  list(): TunnelEntry[] {
    return this.ids().flatMap((id) => this.find(id) ?? []);
  }

  find(instanceId: number): TunnelEntry | null {
    const entry = this.read(instanceId);
    if (entry === null) return null;
    if (isRunning(entry)) return entry;
    this.remove(entry);
    return null;
  }

  /** By id, C.<id>, label, or a unique start of a label; the only one when nothing is named. */
  select(name: string | undefined): TunnelEntry {
    const all = this.list();
    const matches = name === undefined ? all : matching(all, name);
    const [match, ...others] = matches;
    if (match !== undefined && others.length === 0) return match;
    if (match !== undefined) {
      throw new ForgeError(
        `There are ${matches.length} background tunnels${name === undefined ? '' : ` that "${name}" could be`}.`,
        {
          code: 'TUNNEL_NEEDED',
          exit: name === undefined ? EXIT.usage : EXIT.notFound,
          hint: `One of: ${matches.map((entry) => entry.label ?? entry.instance_id).join(', ')}`,
        },
      );
    }
    throw new ForgeError(`There is no background tunnel${name === undefined ? '' : ` to "${name}"`}.`, {
      code: 'NO_TUNNEL',
      exit: EXIT.notFound,
      hint: `forgectl tunnel ${name === undefined ? 'INSTANCE' : shellWord(name)} --detach opens one.`,
    });
  }

  /** Held for as long as the process that serves the instance lives. Null when another one does. */
  claim(instanceId: number): FileLock | null {
    const taken = FileLock.tryTake(this.pathOf(instanceId, 'lock'), 'tunnel');
    return taken instanceof FileLock ? taken : null;
  }

  newSocketPath(instanceId: number): string {
    mkdirSync(this.directory, { recursive: true, mode: 0o700 });
    const path = this.pathOf(instanceId, 'sock');
    // A directory of its own, which nobody else can have made before.
    return Buffer.byteLength(path) <= LONGEST_SOCKET_NAME
      ? path
      : join(mkdtempSync(join(tmpdir(), OWN_PLACE)), OWN_SOCKET);
  }

  async write(entry: Omit<TunnelEntry, keyof ProcessIdentity>): Promise<void> {
    await writePrivateFile(
      this.pathOf(entry.instance_id, 'json'),
      `${JSON.stringify({ ...thisProcess(), ...entry })}\n`,
    );
  }

  /** Whether it is still this process that is written there: another one, or nobody, means that it was given up. */
  isMine(instanceId: number): boolean {
    return this.read(instanceId)?.pid === process.pid;
  }

  remove({ instance_id: id, socket }: Pick<TunnelEntry, 'instance_id' | 'socket'>): void {
    rmSync(this.pathOf(id, 'json'), { force: true });
    if (socket === this.pathOf(id, 'sock')) removeSocket(socket);
    else if (isOwnPlace(socket)) {
      removeSocket(socket);
      removeWhenEmpty(dirname(socket));
    }
  }

  logOf(instanceId: number): string {
    mkdirSync(this.directory, { recursive: true, mode: 0o700 });
    return this.pathOf(instanceId, 'log');
  }

  /** Of one that runs, or by id of one that has run. */
  idWithLog(name: string | undefined): number {
    const id = Number(/^(?:C\.)?(\d+)$/u.exec(name ?? '')?.[1]);
    return id > 0 && existsSync(this.pathOf(id, 'log')) ? id : this.select(name).instance_id;
  }

  private ids(): number[] {
    try {
      return readdirSync(this.directory)
        .flatMap((name) => /^(\d+)\.json$/u.exec(name)?.[1] ?? [])
        .map(Number)
        .sort((one, other) => one - other);
    } catch {
      return [];
    }
  }

  private read(instanceId: number): TunnelEntry | null {
    try {
      const entry = JSON.parse(readFileSync(this.pathOf(instanceId, 'json'), 'utf8')) as TunnelEntry;
      // By the id its files are removed, so it must be the file's own.
      const isOwn = entry.instance_id === instanceId;
      return isOwn && typeof entry.pid === 'number' && typeof entry.socket === 'string' ? entry : null;
    } catch {
      return null;
    }
  }

  private pathOf(instanceId: number, kind: 'json' | 'lock' | 'sock' | 'log'): string {
    return join(this.directory, `${instanceId}.${kind}`);
  }
}

/**
 * Whether `newSocketPath` can have made it: the file of entries may be damaged, or come from another computer, and what it
 * names is removed.
 */
function isOwnPlace(socket: string): boolean {
  const directory = dirname(socket);
  if (join(directory, OWN_SOCKET) !== socket || dirname(directory) !== tmpdir()) return false;
  if (!basename(directory).startsWith(OWN_PLACE)) return false;
  const found = lstatSync(directory, { throwIfNoEntry: false });
  return found?.isDirectory() === true && found.uid === process.getuid?.();
}

function removeSocket(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket()) rmSync(path, { force: true });
}

function removeWhenEmpty(directory: string): void {
  try {
    rmdirSync(directory);
  } catch {
    // Something else lies in it, or another process was faster.
  }
}

/** A port that is taken by a tunnel of ours has a better answer than "process 1234". */
export function explainTakenPort(error: unknown, registry: TunnelRegistry): unknown {
  if (!(error instanceof ForgeError) || error.code !== 'PORT_TAKEN') return error;
  const { code, exit, details } = error;
  const holder = registry.list().find(({ pid }) => pid === details['holder_pid']);
  if (holder === undefined) return error;
  const name = holder.label ?? holder.instance_id;
  return new ForgeError(`Port ${details['port']} of this computer is taken by the background tunnel to ${name}.`, {
    code,
    exit,
    hint: `forgectl tunnel ls shows it, forgectl tunnel stop ${holder.instance_id} ends it, --auto-port takes the next free one.`,
    details,
  });
}

function matching(all: readonly TunnelEntry[], name: string): TunnelEntry[] {
  const byId = all.filter(({ instance_id: id }) => name === String(id) || name === `C.${id}`);
  if (byId.length > 0) return byId;
  const whole = all.filter(({ label }) => label === name);
  return whole.length > 0 ? whole : all.filter(({ label }) => name !== '' && label?.startsWith(name));
}
