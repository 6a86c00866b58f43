/** The ladder of readiness (instance.md 14), bottom first. Waiting for a rung means waiting for all below it. */
export const RUNGS = ['api', 'ssh', 'boot', 'provisioning', 'forge'] as const;
export type Rung = (typeof RUNGS)[number];

export interface RungRules {
  title: string;
  doneTitle: string;
  /** How long this rung alone may take, in the workflow's time. The whole wait has its own limit besides. */
  deadlineMs: number;
  /** Time between two looks. */
  pollMs: number;
}

const MINUTE_MS = 60_000;

/** Deadlines: image pulls of 10 GB at 100 Mbit/s take 14 min; the platform's own QA gives a whole start 40 min. */
export const RUNG_RULES: Record<Rung, RungRules> = {
  api: { title: 'Waiting for the machine', doneTitle: 'The machine runs', deadlineMs: 25 * MINUTE_MS, pollMs: 10_000 },
  ssh: { title: 'Logging in', doneTitle: 'Logged in over SSH', deadlineMs: 6 * MINUTE_MS, pollMs: 5_000 },
  boot: { title: 'Booting the image', doneTitle: 'The image has booted', deadlineMs: 10 * MINUTE_MS, pollMs: 4_000 },
  provisioning: {
    title: 'Provisioning',
    doneTitle: 'Provisioned',
    deadlineMs: 35 * MINUTE_MS,
    pollMs: 6_000,
  },
  forge: { title: 'Starting Forge', doneTitle: 'Forge answers', deadlineMs: 20 * MINUTE_MS, pollMs: 4_000 },
};

export function rungsUpTo(goal: Rung): Rung[] {
  return RUNGS.slice(0, RUNGS.indexOf(goal) + 1);
}
