import type { Wishes } from '../workflows/migrate/plan.js';
import type { MigrateRequest } from './migrate-run.js';

interface MoveFlags {
  include?: string[] | undefined;
  exclude?: string[] | undefined;
  via: Wishes['via'];
  verify: Wishes['verify'];
  'allow-image-mismatch'?: boolean;
  bwlimit?: number | undefined;
  parallel?: number | undefined;
  'stall-timeout': number;
  timeout: number;
  'ssh-key'?: string | undefined;
  'if-busy': MigrateRequest['ifBusy'];
  'busy-timeout': number;
  'break-lock'?: boolean;
  yes: boolean;
  'dry-run': boolean;
  events: boolean;
}

type Rest = Pick<MigrateRequest, 'kind'> & Pick<Wishes, 'afterwards' | 'keepSourceRunning'>;

/** What was typed, in the words of the workflow. */
export function moveWishes(flags: MoveFlags, { kind, afterwards, keepSourceRunning }: Rest): MigrateRequest {
  return {
    kind,
    wishes: {
      include: flags.include ?? [],
      exclude: flags.exclude ?? [],
      via: flags.via,
      verify: flags.verify,
      afterwards,
      keepSourceRunning,
      allowImageMismatch: Boolean(flags['allow-image-mismatch']),
      bwlimit: flags.bwlimit ?? null,
      parallel: flags.parallel ?? null,
      stallMs: flags['stall-timeout'],
      timeoutMs: flags.timeout,
      sshKey: flags['ssh-key'] ?? null,
    },
    ifBusy: flags['if-busy'],
    busyTimeoutMs: flags['busy-timeout'],
    breakLock: Boolean(flags['break-lock']),
    yes: flags.yes,
    dryRun: flags['dry-run'],
    events: flags.events,
  };
}
