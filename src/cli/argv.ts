/** Reads what must be known even when the flags do not parse. Words after `--` belong to somebody else. */
export function ownWords(argv: readonly string[]): readonly string[] {
  const end = argv.indexOf('--');
  return end === -1 ? argv : argv.slice(0, end);
}

/** `ssh --stdio` has a stdout that belongs to an SSH client: no variable may put a document there. */
export function wantsJson(argv: readonly string[], env: NodeJS.ProcessEnv): boolean {
  const own = ownWords(argv);
  return own.includes('--json') || (isOn(env['FORGECTL_JSON']) && !own.includes('--stdio'));
}

export function wantsEvents(argv: readonly string[]): boolean {
  return isEndless || ownWords(argv).includes('--events');
}

let isEndless = false;

/** For a command that goes on until it is interrupted: its --json is one event a line from now on, failures too. */
export function answerInLines(): void {
  isEndless = true;
}

/** Environment switches: 1, true, yes, on. */
function isOn(value: string | undefined): boolean {
  return value !== undefined && /^(1|true|yes|on)$/iu.test(value);
}

/**
 * Words for `process.execPath` that run this program again. Behind `--`, because Node takes options of its own from all
 * of its line otherwise: `--env-file`, which some of our commands have, is one (nodejs/node#54232).
 */
export function ownProgram(words: readonly string[] = []): string[] {
  return ['--', process.argv[1] ?? '', ...words];
}
