import type { Clock } from '../../../clock.js';
import { EXIT, ForgeError } from '../../../errors.js';
import { withoutEnd } from '../../../text-ends.js';
import type { CopyOrder } from '../../../vast/copies.js';
import type { Instance } from '../../../vast/model.js';
import { VastError } from '../../../vast/vast-error.js';
import { vanished } from '../../connect-instance.js';

export interface WatchedCopyDependencies {
  copies: { start(order: CopyOrder): Promise<void>; cancel(destinationId: number): Promise<void> };
  readInstance(id: number): Promise<Instance | null>;
  clock: Clock;
  /** Told of what the status bar says, when that changes. */
  onStatus(text: string): void;
  /** Called when an interruption begins the cancelling: the next one ends the process. */
  beginCleanUp(): void;
}

/** What the caller sees at the destination. */
export interface Look {
  /** Everything of the source is there, compared. */
  isComplete: boolean;
  /** What lies there; null when that could not be found out. Only its changes count. */
  bytes: number | null;
  /** Of the destination's disk; null when that could not be found out. */
  freeBytes: number | null;
}

export interface WatchedCopyRequest extends CopyOrder {
  /** Looks at both ends. Asked when nothing is heard any more, and now and then. */
  look(): Promise<Look>;
  signal: AbortSignal;
  /** So long without a change, on the status bar and at the destination, is a hang; the clock's time. */
  stallMs?: number;
}

/** Five times what the route allows, and a third of how late the status bar is (vast-api 1.3, 9.1). */
const POLL_MS = 10_000;
/** A look lists two trees. */
const LOOK_EVERY_MS = 60_000;
/** The status bar is late by 30 s: when it has said nothing new for longer, it is worth a look. */
const QUIET_MS = 45_000;
const STALL_MS = 10 * 60_000;
const CONFIRM_LOOKS = 12;
/** A copy that has come to rest where less is free has not stalled, and waiting brings nothing. */
const FULL_BYTES = 1024 * 1024;
/** What rsync and the daemon say of a copy that is over. Any other end is silence. */
const TROUBLE = /\b(?:rsync error|permission denied|no space left|connection (?:closed|reset|refused)|copy failed)\b/iu;

type Ending = 'complete' | 'stalled' | 'trouble' | 'full';

/**
 * A copy by the platform's own service. "Success" of its call means accepted (traps 13), and no word of its end ever comes,
 * so the end is what the caller's comparison says.
 */
export class WatchedCopy {
  private readonly deps: WatchedCopyDependencies;
  private status: string | null = null;
  private before: string | null = null;

  constructor(deps: WatchedCopyDependencies) {
    this.deps = deps;
  }

  /** Resolves when all is there. What ends otherwise is cancelled first, and the cancelling confirmed. */
  async run(request: WatchedCopyRequest): Promise<void> {
    const order = orderOf(request);
    this.before = await this.readStatus(order.destinationId);
    this.status = this.before;
    let ending: Ending;
    try {
      await this.start(order);
      ending = await this.watch(request);
    } catch (error) {
      if (request.signal.aborted) this.deps.beginCleanUp();
      // A refusal has begun nothing that could be cancelled.
      if (!isRefusal(error)) await this.cancel(request);
      throw error;
    }
    if (ending === 'complete') return;
    await this.cancel(request);
    throw this.failure(request, ending);
  }

  /** Sent a second time only behind a cancel: whether the first had begun is not known then. */
  private async start(order: CopyOrder): Promise<void> {
    try {
      await this.deps.copies.start(order);
    } catch (error) {
      if (!(error instanceof VastError) || !error.outcomeUnknown) throw error;
      await this.deps.copies.cancel(order.destinationId);
      await this.deps.copies.start(order);
    }
  }

  private async watch(request: WatchedCopyRequest): Promise<Ending> {
    const { clock } = this.deps;
    let bytes: number | null = null;
    let changedMs = clock.now();
    let lookedMs = clock.now();
    for (;;) {
      await clock.sleep(POLL_MS, request.signal);
      if (await this.hasNews(request.destinationId)) changedMs = clock.now();
      const isQuiet = clock.now() - changedMs >= QUIET_MS;
      const isTrouble = TROUBLE.test(this.status ?? '') && this.status !== this.before;
      if (!isTrouble && clock.now() - lookedMs < (isQuiet ? QUIET_MS : LOOK_EVERY_MS)) continue;
      const look = await request.look();
      request.signal.throwIfAborted();
      lookedMs = clock.now();
      if (look.isComplete) return 'complete';
      const isFull = look.freeBytes !== null && look.freeBytes < FULL_BYTES;
      if (isFull && isQuiet && look.bytes !== null && look.bytes === bytes) return 'full';
      if (isTrouble) return isFull ? 'full' : 'trouble';
      if (look.bytes !== null && look.bytes !== bytes) {
        // The first look knows of no change.
        if (bytes !== null) changedMs = clock.now();
        bytes = look.bytes;
      }
      if (clock.now() - changedMs >= (request.stallMs ?? STALL_MS)) return 'stalled';
    }
  }

  /** A failure of the API says nothing of the copy. */
  private async hasNews(destinationId: number): Promise<boolean> {
    let text: string | null;
    try {
      text = await this.readStatus(destinationId);
    } catch (error) {
      if (error instanceof ForgeError && error.exit === EXIT.apiFailed) return false;
      throw error;
    }
    if (text === this.status) return false;
    this.status = text;
    if (text !== null && text !== this.before) this.deps.onStatus(text);
    return true;
  }

  private async readStatus(id: number): Promise<string | null> {
    const instance = await this.deps.readInstance(id);
    if (instance === null) throw vanished(id);
    return instance.statusMsg;
  }

  /** Cancelled is what does not change any more at the destination. Throws (exit 15) when that cannot be shown. */
  private async cancel({ destinationId, look }: WatchedCopyRequest): Promise<void> {
    const { clock, copies } = this.deps;
    try {
      await copies.cancel(destinationId);
      let bytes: number | null = null;
      for (let looks = 0; looks < CONFIRM_LOOKS; looks += 1) {
        const now = (await look()).bytes;
        if (now !== null && now === bytes) return;
        bytes = now;
        await clock.sleep(POLL_MS);
      }
    } catch (cause) {
      throw notCancelled(destinationId, cause);
    }
    throw notCancelled(destinationId, null);
  }

  private failure({ destinationId, stallMs }: WatchedCopyRequest, ending: Ending): ForgeError {
    const said = this.status === null || this.status === this.before ? '' : ` It last said: ${this.status}`;
    const minutes = Math.round((stallMs ?? STALL_MS) / 60_000);
    if (ending === 'full') {
      return new ForgeError(
        `The disk of instance ${destinationId} is full; the platform's copy was cancelled.${said}`,
        {
          code: 'DISK_FULL',
          exit: EXIT.notReady,
          hint: 'What has arrived stays there. Make room, then: forgectl resume; or take it back: forgectl undo',
          details: { instance_id: destinationId },
        },
      );
    }
    return ending === 'stalled'
      ? new ForgeError(`The platform's copy has not moved for ${minutes} min; it was cancelled.${said}`, {
          code: 'PLATFORM_COPY_STALLED',
          exit: EXIT.timedOut,
          hint: 'What has arrived stays there. Copy the rest over SSH.',
          details: { instance_id: destinationId },
        })
      : new ForgeError(`The platform's copy has failed.${said}`, {
          code: 'PLATFORM_COPY_FAILED',
          exit: EXIT.partlyFailed,
          hint: 'What has arrived stays there. Copy the rest over SSH.',
          details: { instance_id: destinationId },
        });
  }
}

/** Directory to directory: without the slashes it would be nested; and some places may not be copied to (traps 14). */
function orderOf({ sourceId, destinationId, sourcePath, destinationPath }: WatchedCopyRequest): CopyOrder {
  const [from, to] = [sourcePath, destinationPath].map((path) => `${withoutEnd(path, '/')}/`) as [string, string];
  const isGood = (path: string): boolean => path.startsWith('/') && path !== '/' && !/\/\.{1,2}\/|\p{Cc}/u.test(path);
  if (isGood(from) && isGood(to) && !/^\/+root\/+$/u.test(to))
    return { sourceId, destinationId, sourcePath: from, destinationPath: to };
  throw new ForgeError(`The platform's copy cannot go from ${sourcePath} to ${destinationPath}.`, {
    code: 'USAGE',
    exit: EXIT.usage,
    hint: 'Name directories below the workspace: / and /root hold what logins depend on.',
  });
}

function isRefusal(error: unknown): boolean {
  return error instanceof VastError && error.facts.method === 'PUT' && !error.outcomeUnknown;
}

function notCancelled(id: number, cause: unknown): ForgeError {
  const why = cause instanceof Error ? ` (${cause.message})` : '';
  return new ForgeError(`Whether the platform's copy to instance ${id} was cancelled could not be found out${why}.`, {
    code: 'PLATFORM_COPY_NOT_CANCELLED',
    exit: EXIT.cleanUpFailed,
    hint: `Its traffic may go on costing. Look at it: forgectl show ${id}`,
    details: { instance_id: id },
    ...(cause === null ? {} : { cause }),
  });
}
