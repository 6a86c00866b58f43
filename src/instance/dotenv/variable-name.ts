import { EXIT, ForgeError } from '../../errors.js';

/** Bash's own, which take no value or give another one back, and those of a script that loads the file. */
const TAKEN =
  /^(?:_|UID|EUID|PPID|SHELLOPTS|BASH.*|POSIXLY_CORRECT|IFS|PS4|PROMPT_COMMAND|TMOUT|GROUPS|FUNCNAME|DIRSTACK|PIPESTATUS|SHLVL|PWD|OLDPWD|RANDOM|SRANDOM|SECONDS|LINENO|EPOCH(?:SECONDS|REALTIME)|HISTCMD|OPT(?:IND|ARG|ERR)|ROOT|FORGECTL_ROOT|forgectl_.*)$/u;

/** Throws wrong usage for what no shell takes as a name, or has another use for. */
export function checkVariableName(name: string): void {
  const problem = !/^[A-Za-z_][A-Za-z0-9_]*$/u.test(name)
    ? 'is not a name that a shell takes: letters, digits and _, no digit first'
    : TAKEN.test(name)
      ? 'has another use for a shell'
      : name.length > 200
        ? 'is longer than 200 characters'
        : null;
  if (problem === null) return;
  throw new ForgeError(`${JSON.stringify(name.slice(0, 60))} ${problem}.`, {
    code: 'BAD_VARIABLE',
    exit: EXIT.usage,
    hint: 'Write it as NAME=value.',
  });
}

/** Throws wrong usage for what a variable cannot hold. The value itself is never repeated. */
export function checkVariableValue(name: string, value: string): void {
  if (!value.includes('\0') && !/\p{Surrogate}/u.test(value)) return;
  throw new ForgeError(`The value of ${name} holds ${value.includes('\0') ? 'a NUL byte' : 'half of a character'}.`, {
    code: 'BAD_VARIABLE',
    exit: EXIT.usage,
    hint: 'A variable is text without NUL.',
  });
}
