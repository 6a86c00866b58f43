import type { Clock } from '../clock.js';
import { formatDuration } from '../ui/format.js';
import type { Reporter } from '../ui/reporter.js';
import { cleanLine } from '../ui/sanitize.js';
import type { Journal, RunRecord } from '../workflows/journal.js';

/** One line on stderr, whatever the number: a run that was cut off may have left something that bills. */
export function tellCutOffRuns(journal: Journal, reporter: Reporter, clock: Clock): void {
  const [run, ...others] = unfinished(journal, reporter);
  if (run === undefined) return;
  const ago = formatDuration(Math.max(0, clock.now() - Date.parse(run.updatedAt)));
  const more = others.length === 0 ? '' : ` ${others.length} more: forgectl runs ls.`;
  reporter.warn(
    `${cleanLine(run.title)} was cut off ${ago} ago and may have left ${leftBy(run)}: forgectl resume ${run.id}, or forgectl undo ${run.id}.${more}`,
  );
}

function leftBy({ kind, steps }: RunRecord): string {
  if (kind === 'upgrade' && steps.some(({ id }) => id === 'arm'))
    return 'its work half done until its machine puts itself back';
  return kind === 'launch' ? 'a machine that bills' : 'its work half done';
}

/** A journal that cannot be read must be told, but must not stop `ls` and `destroy`. */
function unfinished(journal: Journal, reporter: Reporter): RunRecord[] {
  try {
    return journal.cutOff();
  } catch (error) {
    reporter.warn((error as Error).message);
    return [];
  }
}
