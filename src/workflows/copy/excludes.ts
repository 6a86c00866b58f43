import { EXIT, ForgeError } from '../../errors.js';
import { type BytePath, toText } from '../../instance/files/byte-path.js';
import { withoutEnd } from '../../text-ends.js';

/** True for a path below the source's root that is left out, and everything below it. */
export type Exclude = (path: BytePath, isDirectory: boolean) => boolean;

/**
 * Patterns as in .gitignore, without "!": one without a slash fits a name at any depth, one with a slash a path from the
 * root; a slash at the end fits directories only. `*` and `?` stop at slashes, `**` does not.
 */
export function readExcludes(patterns: readonly string[]): Exclude {
  const tests = patterns.map(readPattern);
  if (tests.length === 0) return () => false;
  return (path, isDirectory) => {
    const text = toText(path);
    return tests.some(({ expression, onlyDirectories }) => (isDirectory || !onlyDirectories) && expression.test(text));
  };
}

/** Lines of a file; empty ones and those behind a # do not count. */
export function patternsOfFile(text: string): string[] {
  return text
    .split(/\r?\n/u)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
}

function readPattern(pattern: string): { expression: RegExp; onlyDirectories: boolean } {
  const onlyDirectories = pattern.endsWith('/');
  const plain = withoutEnd(pattern, '/');
  const isAnchored = plain.includes('/');
  const body = translate(plain.replace(/^\/+/u, ''));
  if (plain === '' || body === null) throw badPattern(pattern);
  return { expression: new RegExp(isAnchored ? `^${body}$` : `(?:^|/)${body}$`, 'su'), onlyDirectories };
}

function translate(glob: string): string | null {
  let text = '';
  for (let rest = glob; rest !== ''; ) {
    const [token = ''] = /^(?:\*\*\/|\/\*\*$|\*\*|\*|\?|\[!?\]?[^\]]*\]|\\.|.)/su.exec(rest) ?? [];
    const part = translateToken(token);
    if (part === null) return null;
    text += part;
    rest = rest.slice(token.length);
  }
  return text;
}

function translateToken(token: string): string | null {
  if (token === '**/') return '(?:.*/)?';
  if (token === '/**') return '/.*';
  if (token === '**') return '.*';
  if (token === '*') return '[^/]*';
  if (token === '?') return '[^/]';
  if (token === '[') return '\\[';
  if (!token.startsWith('[')) return escapeText(token.startsWith('\\') && token.length > 1 ? token.slice(1) : token);
  const isNegated = token.startsWith('[!');
  const members = token.slice(isNegated ? 2 : 1, -1).replaceAll(/[\\\][&^~|]/gu, '\\$&');
  const set = `(?!/)[${isNegated ? '^' : ''}${members}]`;
  return isExpression(set) ? set : null;
}

function escapeText(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/]/gu, '\\$&');
}

function isExpression(text: string): boolean {
  try {
    return new RegExp(text, 'su') instanceof RegExp;
  } catch {
    return false;
  }
}

function badPattern(pattern: string): ForgeError {
  return new ForgeError(`"${pattern}" is no pattern for --exclude.`, {
    code: 'BAD_PATTERN',
    exit: EXIT.usage,
    hint: "Write a name or a path, with * for any part of a name, e.g. --exclude '*.ckpt' --exclude venv/",
  });
}
