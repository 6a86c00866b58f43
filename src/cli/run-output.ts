import { formatDuration } from '../ui/format.js';
import { cleanLine } from '../ui/sanitize.js';
import type { Journal, RunRecord } from '../workflows/journal.js';
import type { Attempt } from '../workflows/launch/attempt.js';
import type { ForgeContext } from './context.js';

/** "running", "cut off", or how it ended. */
export function runState(run: RunRecord, journal: Journal): string {
  if (run.state !== 'open') return run.state;
  return journal.holder(run.id) === null ? 'cut off' : 'running';
}

export function runDocument(run: RunRecord, journal: Journal): Record<string, unknown> {
  return {
    id: run.id,
    kind: run.kind,
    title: cleanLine(run.title),
    state: runState(run, journal).replace(' ', '_'),
    pid: run.state === 'open' ? (journal.holder(run.id)?.pid ?? null) : null,
    started_at: run.startedAt,
    updated_at: run.updatedAt,
    outcome: run.outcome,
    instance_ids: instancesOfRun(run),
    steps: run.steps.map(({ id, state, at, error }) => ({ id, state, at, error: error ?? null })),
  };
}

/** Contracts that a run has made, whatever became of them. */
export function instancesOfRun(run: RunRecord): number[] {
  const attempts = (run.facts['attempts'] ?? []) as Attempt[];
  return attempts.flatMap(({ contractId }) => contractId ?? []);
}

export async function runTable(runs: readonly RunRecord[], context: ForgeContext): Promise<string> {
  const { journal, clock } = context;
  return context.table(runs, [
    { header: 'RUN', value: (run) => run.id },
    { header: 'WHAT', value: (run) => cleanLine(run.title) },
    { header: 'STATE', value: (run) => runState(run, journal) },
    {
      header: 'AGE',
      value: (run) => formatDuration(Math.max(0, clock.now() - Date.parse(run.startedAt))),
      align: 'right',
    },
    { header: 'INSTANCES', value: (run) => instancesOfRun(run).join(', ') || '-', priority: 2 },
    { header: 'OUTCOME', value: (run) => cleanLine(run.outcome ?? ''), priority: 3 },
  ]);
}

export async function runDetails(run: RunRecord, context: ForgeContext): Promise<string> {
  const attempts = (run.facts['attempts'] ?? []) as Attempt[];
  return context.keyValues([
    ['Run', `${run.id}: ${cleanLine(run.title)}`],
    ['State', runState(run, context.journal)],
    ['Started', run.startedAt],
    ['Changed', run.updatedAt],
    ['Outcome', cleanLine(run.outcome ?? '-')],
    ...run.steps.map(({ id, state, at, error }): [string, string] => [
      `Step ${id}`,
      cleanLine(`${state} ${at}${error === undefined ? '' : `: ${error}`}`),
    ]),
    ...attempts.map((attempt, at): [string, string] => [
      `Machine ${at + 1}`,
      cleanLine(
        `${attempt.offer.numGpus}x ${attempt.offer.gpuName}, machine ${attempt.offer.machineId}, instance ${attempt.contractId ?? 'not known'}: ${attempt.state}${attempt.failure === null ? '' : ` (${attempt.failure.reason})`}`,
      ),
    ]),
  ]);
}
