import { EXIT, ForgeError } from '../errors.js';
import { cleanLines } from '../instance/clean-log.js';
import type { ScriptResult } from './machine-session.js';

/** Throws (exit 8) when the script left with something else than 0. */
export function expectDone({ exitCode, stderr }: ScriptResult, message: string): void {
  if (exitCode === 0) return;
  throw new ForgeError(`${message}.`, {
    code: isDiskFull(stderr) ? 'DISK_FULL' : 'REMOTE_STEP_FAILED',
    exit: EXIT.notReady,
    hint: cleanLines(stderr).slice(-3).join('\n') || null,
    details: { exit_code: exitCode },
  });
}

/** git, tar, pip, uv and the shell all say it in the words of the C library. */
export function isDiskFull(text: string): boolean {
  return /no space left on device|disk quota exceeded/iu.test(text);
}
