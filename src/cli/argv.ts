/** Reads what must be known even when the flags do not parse. Words after `--` belong to somebody else. */
export function ownWords(argv: readonly string[]): readonly string[] {
  const end = argv.indexOf('--');
  return end === -1 ? argv : argv.slice(0, end);
}

export function wantsJson(argv: readonly string[], env: NodeJS.ProcessEnv): boolean {
  return ownWords(argv).includes('--json') || isOn(env['FORGECTL_JSON']);
}

export function wantsEvents(argv: readonly string[]): boolean {
  return ownWords(argv).includes('--events');
}

/** Environment switches: 1, true, yes, on. */
function isOn(value: string | undefined): boolean {
  return value !== undefined && /^(1|true|yes|on)$/iu.test(value);
}
