import { type ChildProcess, spawn } from 'node:child_process';
import { signalGroup } from './process-groups.js';

/** Of what a program prints; the rest is not kept. */
const LONGEST_ANSWER = 1024 * 1024;

/** A program could not be run, or ended badly. */
export class ProgramFailed extends Error {
  override readonly name = 'ProgramFailed';
  /** Said behind the program's name: "is not on PATH", "ended with 1 (no space left)". */
  readonly how: string;

  constructor(program: string, how: string) {
    super(`${program} ${how}`);
    this.how = how;
  }
}

export interface ProgramOptions {
  /** Left out: no limit. */
  limitMs?: number;
  /** Ends the program, with all that it has started; the promise rejects with its reason. */
  signal?: AbortSignal | undefined;
  env?: NodeJS.ProcessEnv;
}

/** Runs a program of this computer to its end and returns what it printed. Throws ProgramFailed. */
export async function runProgram(
  program: string,
  words: readonly string[],
  { limitMs, signal, env = plainEnvironment() }: ProgramOptions = {},
): Promise<string> {
  signal?.throwIfAborted();
  // The leader of a group: a wrapper that hangs has children that hang.
  const child = spawn(program, words, { env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const [stdout, stderr] = [collect(child, 'stdout'), collect(child, 'stderr')];
  const end = (): void => signalGroup(child, 'SIGKILL');
  const limit = limitMs === undefined ? undefined : setTimeout(end, limitMs);
  const startedMs = Date.now();
  signal?.addEventListener('abort', end, { once: true });
  try {
    const [code, by] = await ended(child);
    signal?.throwIfAborted();
    if (code === 0) return stdout();
    const isLate = by === 'SIGKILL' && limitMs !== undefined && Date.now() - startedMs >= limitMs;
    const how = isLate
      ? `did not answer within ${limitMs / 1000} s`
      : by === null
        ? `ended with ${code}`
        : `was ended by ${by}`;
    const said = stderr().trim().split('\n').at(-1)?.slice(0, 200) ?? '';
    throw new ProgramFailed(program, said === '' || isLate ? how : `${how} (${said})`);
  } finally {
    clearTimeout(limit);
    signal?.removeEventListener('abort', end);
  }

  function ended(one: ChildProcess): Promise<[number | null, NodeJS.Signals | null]> {
    return new Promise((resolve, reject) => {
      one.once('error', ({ code }: NodeJS.ErrnoException) =>
        reject(new ProgramFailed(program, code === 'ENOENT' ? 'is not on PATH' : `cannot be started (${code})`)),
      );
      one.once('close', (code, by) => resolve([code, by]));
    });
  }
}

function collect(child: ChildProcess, stream: 'stdout' | 'stderr'): () => string {
  let text = '';
  child[stream]?.setEncoding('utf8').on('data', (chunk: string) => {
    if (text.length < LONGEST_ANSWER) text += chunk;
  });
  return () => text;
}

/**
 * Without what somebody has set for their own Git, Python and bash: a hook of Git that starts a sandbox has GIT_DIR and
 * GIT_INDEX_FILE of its repository, and the image's commits would be made there.
 */
function plainEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(GIT_|PYTHON|BASH_ENV$|ENV$|CDPATH$)/u.test(name));
  return { ...Object.fromEntries(kept), GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_SYSTEM: '/dev/null' };
}
