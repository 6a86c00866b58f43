import { palette } from './color.js';
import { cleanLine } from './sanitize.js';
import type { Terminal } from './terminal.js';

export interface Bar {
  name: string;
  /** Drawn one after the other, with a sign of its own each; negative ones are not drawn. */
  parts: readonly [number, number];
  /** What stands after the bar. */
  text: string;
}

/** The signs of the two parts. */
export function barSigns({ unicode }: Pick<Terminal, 'unicode'>): [string, string] {
  return unicode ? ['█', '░'] : ['#', '-'];
}

/** In a pipe, where nothing says how wide a line may be. */
const PIPE_COLUMNS = 80;
const GAP = '  ';

/** One line a bar, as wide as the terminal; the longest bar fills it. A pipe gets 80 columns. */
export async function renderBars(
  bars: readonly Bar[],
  terminal: Pick<Terminal, 'columns' | 'unicode' | 'colorOnStdout'>,
): Promise<string> {
  const paint = await palette(terminal.colorOnStdout);
  const [first, second] = barSigns(terminal);
  const cleaned = bars.map((bar) => ({ ...bar, name: cleanLine(bar.name), text: cleanLine(bar.text) }));
  const nameWidth = longest(cleaned.map(({ name }) => name));
  const textWidth = longest(cleaned.map(({ text }) => text));
  const columns = Number.isFinite(terminal.columns) ? terminal.columns : PIPE_COLUMNS;
  const room = Math.max(0, columns - nameWidth - textWidth - 2 * GAP.length);
  const most = Math.max(0, ...bars.map(({ parts }) => lengthOf(parts)));
  const lines = cleaned.map(({ name, parts, text }) => {
    const [one, other] = cellsOf(parts, { room, most });
    const bar = `${paint.good(first.repeat(one))}${paint.faint(second.repeat(other))}`;
    return `${name.padEnd(nameWidth)}${GAP}${bar}${one + other === 0 ? '' : GAP}${text}`.trimEnd();
  });
  return lines.join('\n');
}

/** Whole cells; what is more than nothing has at least one, if there is room at all. */
function cellsOf(parts: readonly [number, number], { room, most }: { room: number; most: number }): [number, number] {
  const length = lengthOf(parts);
  if (length <= 0 || most <= 0 || room === 0) return [0, 0];
  const cells = Math.max(1, Math.round((length / most) * room));
  const one = Math.round((Math.max(0, parts[0]) / length) * cells);
  // Both are seen when there are two cells for them.
  const isBoth = cells > 1 && parts[0] > 0 && parts[1] > 0;
  const shown = isBoth ? Math.min(cells - 1, Math.max(1, one)) : one;
  return [shown, cells - shown];
}

function lengthOf([one, other]: readonly [number, number]): number {
  return Math.max(0, one) + Math.max(0, other);
}

function longest(texts: readonly string[]): number {
  return Math.max(0, ...texts.map((text) => [...text].length));
}
