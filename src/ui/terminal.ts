/** What the three streams can do. */
export interface Terminal {
  /** Questions may be asked: somebody sits at stdin and stderr, and it is not CI. */
  canPrompt: boolean;
  /** stdout is a terminal. */
  stdoutIsTerminal: boolean;
  /** A spinner may be drawn on stderr. */
  canAnimate: boolean;
  colorOnStdout: boolean;
  colorOnStderr: boolean;
  /** Of stdout; Infinity in a pipe, where nothing is cut. */
  columns: number;
  /** Of stdout; null in a pipe. */
  rows: number | null;
  /** Box drawing and the like can be shown: the locale is UTF-8 and the terminal is not dumb. */
  unicode: boolean;
}

interface Stream {
  isTTY?: boolean;
  columns?: number;
  rows?: number;
}

export function describeTerminal(io: {
  stdin: Stream;
  stdout: Stream;
  stderr: Stream;
  env: NodeJS.ProcessEnv;
}): Terminal {
  const { stdin, stdout, stderr, env } = io;
  const isDumb = env['TERM'] === 'dumb';
  const isCi = env['CI'] !== undefined && env['CI'] !== '' && env['CI'] !== 'false' && env['CI'] !== '0';
  return {
    canPrompt: stdin.isTTY === true && stderr.isTTY === true && !isCi && !isDumb,
    stdoutIsTerminal: stdout.isTTY === true,
    canAnimate: stderr.isTTY === true && !isCi && !isDumb,
    colorOnStdout: mayColor(stdout, env, isDumb),
    colorOnStderr: mayColor(stderr, env, isDumb),
    columns: stdout.isTTY === true ? (stdout.columns ?? 80) : Number.POSITIVE_INFINITY,
    rows: stdout.isTTY === true ? (stdout.rows ?? 24) : null,
    unicode: !isDumb && /utf-?8/iu.test(env['LC_ALL'] || env['LC_CTYPE'] || env['LANG'] || ''),
  };
}

/** no-color.org and the older clicolors; an explicit wish for colour outranks what the stream is. */
function mayColor(stream: Stream, env: NodeJS.ProcessEnv, isDumb: boolean): boolean {
  if (env['NO_COLOR'] !== undefined && env['NO_COLOR'] !== '') return false;
  const forced = env['FORCE_COLOR'] ?? env['CLICOLOR_FORCE'];
  if (forced !== undefined && forced !== '') return forced !== '0' && forced !== 'false';
  return stream.isTTY === true && !isDumb && env['CI'] === undefined;
}
