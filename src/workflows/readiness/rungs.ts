/** The ladder of readiness (instance.md 14), bottom first. Waiting for a rung means waiting for all below it. */
export const RUNGS = ['api', 'ssh', 'boot', 'provisioning', 'forge'] as const;
export type Rung = (typeof RUNGS)[number];

export interface RungRules {
  title: string;
  doneTitle: string;
  /** How long this rung alone may take, in the workflow's time. The whole wait has its own limit besides. */
  deadlineMs: number;
  /** How long nothing at all may change: no status, no message, no log line. */
  stallMs: number;
  /** Time between two looks. */
  pollMs: number;
}

const MINUTE_MS = 60_000;

/**
 * Deadlines: image pulls of 10 GB at 100 Mbit/s take 14 min; the platform's own QA gives a whole start 40 min. A healthy
 * pull can show the same message for over ten minutes (vast-api 5.4); a host that swallows packets is given up sooner.
 */
export const RUNG_RULES: Record<Rung, RungRules> = {
  api: {
    title: 'Waiting for the machine',
    doneTitle: 'The machine runs',
    deadlineMs: 25 * MINUTE_MS,
    stallMs: 15 * MINUTE_MS,
    pollMs: 10_000,
  },
  ssh: {
    title: 'Logging in',
    doneTitle: 'Logged in over SSH',
    deadlineMs: 6 * MINUTE_MS,
    stallMs: 4 * MINUTE_MS,
    pollMs: 5_000,
  },
  boot: {
    title: 'Booting the image',
    doneTitle: 'The image has booted',
    deadlineMs: 10 * MINUTE_MS,
    stallMs: 6 * MINUTE_MS,
    pollMs: 4_000,
  },
  provisioning: {
    title: 'Provisioning',
    doneTitle: 'Provisioned',
    deadlineMs: 35 * MINUTE_MS,
    stallMs: 12 * MINUTE_MS,
    pollMs: 6_000,
  },
  forge: {
    title: 'Starting Forge',
    doneTitle: 'Forge answers',
    deadlineMs: 20 * MINUTE_MS,
    stallMs: 10 * MINUTE_MS,
    pollMs: 4_000,
  },
};

export function rungsUpTo(goal: Rung): Rung[] {
  return RUNGS.slice(0, RUNGS.indexOf(goal) + 1);
}
