import { ownWords } from './argv.js';

/** A flag that is to be typed, with its value; null for a switch. */
export interface FlagChange {
  flag: string;
  value: string | null;
}

/** Their values may be secret, or hold one. */
const PRIVATE_FLAGS = new Set(['env', 'forge-args', 'provisioning']);

/** They ask for another answer than the command that is advised. */
const LEFT_OUT = new Set(['relax', 'json', 'events']);

/** The command as it was typed, with some flags changed: ready to be typed again. Values that may be secret become `…`. */
export function retype(command: string, argv: readonly string[], changes: readonly FlagChange[]): string {
  const kept: string[] = [];
  const words = ownWords(argv);
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? '';
    const [, name = '', glued] = /^--([a-z-]+)(=.*)?$/su.exec(word) ?? [];
    const change = changes.find(({ flag }) => flag === name);
    const isPrivate = PRIVATE_FLAGS.has(name);
    if (isPrivate) kept.push(`--${name}`, '…');
    else if (change === undefined && !LEFT_OUT.has(name)) kept.push(shellWord(word));
    const takesNext = glued === undefined && (isPrivate || typeof change?.value === 'string');
    if (takesNext) at += 1;
  }
  const added = changes.map(({ flag, value }) => `--${flag}${value === null ? '' : ` ${shellWord(value)}`}`);
  return ['forgectl', command, ...kept, ...added].join(' ');
}

/** For a line that is copied into a shell. */
export function shellWord(word: string): string {
  if (/\p{Cc}/u.test(word)) return '…';
  return /^[\w@%+=:,./~-]+$/u.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
