const CONTEXT_LINES = 3;

type Line = { mark: ' ' | '-' | '+'; text: string };

/** A unified diff, as `diff -u` prints it; '' when both are the same. Null stands for a file that is not there. */
export function unifiedDiff(path: string, before: string | null, after: string | null): string {
  if (before === after) return '';
  const lines = compare(linesOf(before), linesOf(after));
  const names = [`--- ${before === null ? '/dev/null' : path}`, `+++ ${after === null ? '/dev/null' : path}`];
  return `${[...names, ...hunks(lines)].join('\n')}\n`;
}

function linesOf(text: string | null): string[] {
  if (text === null || text === '') return [];
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  else lines[lines.length - 1] += '\n\\ No newline at end of file';
  return lines;
}

function compare(before: string[], after: string[]): Line[] {
  let head = 0;
  while (head < before.length && head < after.length && before[head] === after[head]) head += 1;
  let tail = 0;
  const most = Math.min(before.length, after.length) - head;
  while (tail < most && before[before.length - 1 - tail] === after[after.length - 1 - tail]) tail += 1;
  const same = (text: string): Line => ({ mark: ' ', text });
  return [
    ...before.slice(0, head).map(same),
    ...compareMiddle(before.slice(head, before.length - tail), after.slice(head, after.length - tail)),
    ...before.slice(before.length - tail).map(same),
  ];
}

/** Longest common subsequence by table: these files have hundreds of lines, not millions. */
function compareMiddle(before: string[], after: string[]): Line[] {
  const width = after.length + 1;
  const common = new Uint32Array((before.length + 1) * width);
  for (let i = before.length - 1; i >= 0; i -= 1)
    for (let j = after.length - 1; j >= 0; j -= 1)
      common[i * width + j] =
        before[i] === after[j]
          ? (common[(i + 1) * width + j + 1] ?? 0) + 1
          : Math.max(common[(i + 1) * width + j] ?? 0, common[i * width + j + 1] ?? 0);
  const lines: Line[] = [];
  let [i, j] = [0, 0];
  while (i < before.length || j < after.length) {
    if (i < before.length && j < after.length && before[i] === after[j]) {
      lines.push({ mark: ' ', text: before[i] as string });
      i += 1;
      j += 1;
    } else if (j >= after.length || (i < before.length && at(i + 1, j) >= at(i, j + 1))) {
      lines.push({ mark: '-', text: before[i] as string });
      i += 1;
    } else {
      lines.push({ mark: '+', text: after[j] as string });
      j += 1;
    }
  }
  return lines;

  function at(row: number, column: number): number {
    return common[row * width + column] ?? 0;
  }
}

function hunks(lines: readonly Line[]): string[] {
  const isNear = (index: number): boolean =>
    lines.slice(Math.max(0, index - CONTEXT_LINES), index + CONTEXT_LINES + 1).some(({ mark }) => mark !== ' ');
  const out: string[] = [];
  const at = { '-': 1, '+': 1 };
  for (let index = 0; index < lines.length; ) {
    const start = index;
    while (index < lines.length && isNear(index)) index += 1;
    const hunk = lines.slice(start, index);
    if (hunk.length > 0) {
      const count = (other: '-' | '+'): number => hunk.filter(({ mark }) => mark !== other).length;
      const range = (own: '-' | '+', length: number): string =>
        `${own}${length === 0 ? at[own] - 1 : at[own]}${length === 1 ? '' : `,${length}`}`;
      out.push(`@@ ${range('-', count('+'))} ${range('+', count('-'))} @@`);
      out.push(...hunk.map(({ mark, text }) => `${mark}${text}`));
      at['-'] += count('+');
      at['+'] += count('-');
      continue;
    }
    index += 1;
    at['-'] += 1;
    at['+'] += 1;
  }
  return out;
}
