const waiting: (() => Promise<void>)[] = [];

/**
 * Work for after the answer or the error was printed: a run whose machine exists may be closed only when somebody was told of
 * it. A process that is killed before leaves it open, and the next command tells.
 */
export function whenTold(work: () => Promise<void>): void {
  waiting.push(work);
}

/** Called once, at the very end of the process. */
export async function finishTelling(): Promise<void> {
  for (const work of waiting.splice(0)) await work();
}
