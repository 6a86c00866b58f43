export interface ShellOptions {
  /** Wall time for the whole command. */
  timeoutMs: number;
  signal?: AbortSignal;
  maxOutputBytes?: number;
}

export interface ShellResult {
  stdout: string;
  stderr: string;
  /** Null when a signal ended it. */
  exitCode: number | null;
}

/** Runs a script in a plain bash on one machine. The script travels on stdin, so nothing of it shows in `ps`. */
export interface Shell {
  run(script: string, options: ShellOptions): Promise<ShellResult>;
}

export const PLAIN_BASH = 'bash --noprofile --norc -s';
