/** A word of shell text as far as it can be known without running it. Text is bytes: one character each. */
export interface ShellWord {
  /** Where it ends. */
  end: number;
  /** Null when only a shell can tell: it holds a variable or the like. */
  value: string | null;
}

/** How one quoted or unquoted piece is read on from `at`; null when it never ends. */
type Piece = { end: number; text: string | null } | null;

/** Unquoted, these end the word: blanks, or the end of a command. A carriage return is a letter like any other. */
const WORD_END = /[ \t\n;&|<>()]/u;
/** The only braces that are surely a variable and nothing more. */
const BRACED_NAME = /\$\{[A-Za-z_][A-Za-z0-9_]*\}/uy;
/** After `$`, these make a variable, a command, arithmetic. */
const EXPANDS = /[A-Za-z0-9_{(@*#?$!"[-]/u;

/** Null for what is no single plain word: a quote that is not closed, a command in backticks or $( ). */
export function readWord(text: string, from: number): ShellWord | null {
  let value: string | null = '';
  let at = from;
  while (at < text.length && !WORD_END.test(text[at] ?? '')) {
    const piece = readPiece(text, at, at === from || text[at - 1] === ':');
    if (piece === null) return null;
    value = value === null || piece.text === null ? null : value + piece.text;
    at = piece.end;
  }
  return { end: at, value };
}

function readPiece(text: string, at: number, isTildePlace: boolean): Piece {
  switch (text[at]) {
    case "'":
      return readSingle(text, at);
    case '"':
      return readDouble(text, at);
    case '\\':
      // A line that goes on; a backslash at the very end stands for itself.
      if (at + 1 >= text.length) return { end: at + 1, text: '\\' };
      return { end: at + 2, text: text[at + 1] === '\n' ? '' : (text[at + 1] ?? '') };
    case '`':
      return null;
    case '$':
      return readDollar(text, at);
    case '~':
      return { end: at + 1, text: isTildePlace ? null : '~' };
    default:
      return { end: at + 1, text: text[at] ?? '' };
  }
}

function readSingle(text: string, at: number): Piece {
  const close = text.indexOf("'", at + 1);
  return close === -1 ? null : { end: close + 1, text: text.slice(at + 1, close) };
}

function readDouble(text: string, from: number): Piece {
  let value: string | null = '';
  for (let at = from + 1; at < text.length; ) {
    const letter = text[at] ?? '';
    if (letter === '"') return { end: at + 1, text: value };
    const braced = bracedNameEnd(text, at);
    if (braced !== null) {
      value = null;
      at = braced;
      continue;
    }
    if (letter === '`' || /^\$[({[]/u.test(text.slice(at, at + 2))) return null;
    if (letter === '$' && /[A-Za-z0-9_@*#?$!-]/u.test(text[at + 1] ?? '')) {
      value = null;
      at += 1;
    } else if (letter === '\\' && /["\\$`\n]/u.test(text[at + 1] ?? '')) {
      value = value === null ? null : value + (text[at + 1] === '\n' ? '' : text[at + 1]);
      at += 2;
    } else {
      value = value === null ? null : value + letter;
      at += 1;
    }
  }
  return null;
}

function bracedNameEnd(text: string, at: number): number | null {
  BRACED_NAME.lastIndex = at;
  return BRACED_NAME.test(text) ? BRACED_NAME.lastIndex : null;
}

function readDollar(text: string, at: number): Piece {
  const next = text[at + 1] ?? '';
  if (next === "'") return readEscaped(text, at);
  const braced = bracedNameEnd(text, at);
  if (braced !== null) return { end: braced, text: null };
  if (next === '(' || next === '{' || next === '[') return null;
  // The quote of $"..." is read as one of its own, and so is what follows a name.
  return { end: at + 1, text: EXPANDS.test(next) ? null : '$' };
}

const SIMPLE_ESCAPES: Record<string, string> = {
  n: '\n',
  t: '\t',
  r: '\r',
  a: '\x07',
  b: '\b',
  f: '\f',
  v: '\v',
  e: '\x1b',
  E: '\x1b',
  '\\': '\\',
  "'": "'",
  '"': '"',
  '?': '?',
};

/** $'...': the escapes that people write; of others only a shell knows. */
function readEscaped(text: string, from: number): Piece {
  let value: string | null = '';
  for (let at = from + 2; at < text.length; ) {
    const letter = text[at] ?? '';
    if (letter === "'") return { end: at + 1, text: value };
    const plain = letter === '\\' ? SIMPLE_ESCAPES[text[at + 1] ?? ''] : letter;
    value = value === null || plain === undefined ? null : value + plain;
    at += letter === '\\' ? 2 : 1;
  }
  return null;
}

/** Any bytes but NUL; a shell reads back exactly them. */
export function quoteWord(value: string): string {
  return /^[\w@%+:,./-]+$/u.test(value) ? value : `'${value.replaceAll("'", "'\\''")}'`;
}
