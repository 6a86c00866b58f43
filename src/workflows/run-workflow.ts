import type { Run } from './journal.js';

/** One step of a workflow. It looks before it acts, so that running it twice is harmless. */
export interface Step {
  id: string;
  run(): Promise<void>;
  /** Takes back what `run` did, or what it had begun. Also harmless twice. */
  undo?(): Promise<void>;
}

/** Runs what is not done yet, in order. The journal is flushed before and after each step. */
export async function runSteps(run: Run, steps: readonly Step[]): Promise<void> {
  for (const step of steps) {
    if (run.stateOf(step.id) === 'done') continue;
    await run.setStep(step.id, 'started');
    try {
      await step.run();
    } catch (error) {
      await run.setStep(step.id, 'failed', error instanceof Error ? error.message : String(error));
      throw error;
    }
    await run.setStep(step.id, 'done');
  }
}

/** Undoes what was begun, last first. What was undone before is not undone again. */
export async function undoSteps(run: Run, steps: readonly Step[]): Promise<void> {
  for (const step of [...steps].reverse()) {
    const state = run.stateOf(step.id);
    if (state === null || state === 'undone') continue;
    await run.setStep(step.id, 'undoing');
    await step.undo?.();
    await run.setStep(step.id, 'undone');
  }
}
