import { FORGE_INTERNAL_PORT } from './layout.js';

/** Needs `fetch`, `emit` and $scratch. Prints the fact `progress` when Forge's API is on (upstream: --api). */
export function progressScript(): string {
  const url = `http://127.0.0.1:${FORGE_INTERNAL_PORT}/sdapi/v1/progress?skip_current_image=true`;
  return `[ "$(fetch '${url}' "$scratch/progress")" = 200 ] && emit progress <"$scratch/progress"`;
}

/** Whether it draws (upstream: `state.job_count` and `progress` are above zero then); null when it does not say. */
export function readProgress(json: string | null): boolean | null {
  try {
    const { progress, state } = JSON.parse(json ?? '') as {
      progress?: unknown;
      state?: { job_count?: unknown; job?: unknown };
    };
    if (typeof progress !== 'number') return null;
    return progress > 0 || Number(state?.job_count ?? 0) > 0 || (typeof state?.job === 'string' && state.job !== '');
  } catch {
    return null;
  }
}
