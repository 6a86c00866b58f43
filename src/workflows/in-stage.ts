import type { Reporter, Stage } from '../ui/reporter.js';

/** One stage around an act: it ends with a tick, or with a cross when the act throws. What the act says of its end counts. */
export async function inStage(
  { reporter }: { reporter: Reporter },
  id: string,
  title: string,
  act: (stage: Stage) => Promise<void>,
): Promise<void> {
  const stage = once(reporter.stage(id, title));
  try {
    await act(stage);
    stage.done();
  } catch (error) {
    stage.failed();
    throw error;
  }
}

/** A stage ends once; what it was told first counts. */
function once(stage: Stage): Stage {
  let isOver = false;
  const end = (act: () => void): void => {
    if (!isOver) act();
    isOver = true;
  };
  return {
    detail: (text) => stage.detail(text),
    done: (text) => end(() => stage.done(text)),
    failed: (text) => end(() => stage.failed(text)),
  };
}
