import { type Axis, makeAxis } from './axis.js';
import type { Palette } from './color.js';

export interface ScatterPoint {
  x: number;
  y: number;
  /** One character that stands out; null for one of many. */
  mark: string | null;
}

export interface ScatterOptions {
  /** Columns; no line is longer. */
  width: number;
  /** Rows of the field itself. */
  height: number;
  /** False for terminals and locales that know ASCII only. */
  unicode: boolean;
  x: { title: string; format: (value: number) => string };
  y: { title: string; format: (value: number) => string };
  paint: Palette;
}

interface Glyphs {
  /** One point in a cell, a few, many. */
  dots: [one: string, few: string, many: string];
  side: string;
  sideTick: string;
  corner: string;
  floor: string;
  floorTick: string;
}

const UNICODE: Glyphs = { dots: ['·', '•', '●'], side: '│', sideTick: '┤', corner: '└', floor: '─', floorTick: '┬' };
const ASCII: Glyphs = { dots: ['.', 'o', '@'], side: '|', sideTick: '+', corner: '+', floor: '-', floorTick: '+' };

const LEAST_FIELD_WIDTH = 8;

/** Points on a field with round numbers along its sides. Points that are not numbers are left out. */
export function renderScatter(points: readonly ScatterPoint[], options: ScatterOptions): string {
  const drawn = points.filter(({ x, y }) => Number.isFinite(x) && Number.isFinite(y));
  if (drawn.length === 0) return cut('Nothing to draw.', options.width);
  const { x, y, width, height } = options;
  const rows = Math.max(3, Math.floor(height));
  const down = makeAxis(
    drawn.map((point) => point.y),
    Math.max(2, Math.floor(rows / 4) + 1),
  );
  const labels = down.ticks.map((tick) => y.format(tick));
  const margin = Math.max(...labels.map((label) => label.length)) + 1;
  const columns = Math.floor(width) - margin - 1;
  if (columns < LEAST_FIELD_WIDTH) return cut('The terminal is too narrow to draw on.', width);
  const across = makeAxis(
    drawn.map((point) => point.x),
    Math.max(2, Math.floor(columns / 12) + 1),
  );
  const field = fillField(drawn, { across, down, columns, rows, options });
  const glyphs = options.unicode ? UNICODE : ASCII;
  const side = sideLabels(down, labels, rows);
  const lines = field.map((cells, row) => {
    const label = side.get(row);
    return `${(label ?? '').padStart(margin - 1)} ${label === undefined ? glyphs.side : glyphs.sideTick}${cells.join('')}`;
  });
  const titles = { x: titleOf(x.title, across), y: titleOf(y.title, down) };
  return [
    cut(titles.y, width),
    ...lines.map((line) => line.trimEnd()),
    ...floorLines(across, { margin, columns, format: x.format, glyphs }),
    cut(titles.x.padStart(margin + 1 + columns), width),
  ].join('\n');
}

function titleOf(title: string, { isLogarithmic }: Axis): string {
  return isLogarithmic ? `${title}, log scale` : title;
}

/** Marks are put over dots, the first over the others. */
function fillField(
  points: readonly ScatterPoint[],
  {
    across,
    down,
    columns,
    rows,
    options,
  }: { across: Axis; down: Axis; columns: number; rows: number; options: ScatterOptions },
): string[][] {
  const counts = new Map<number, number>();
  const marks = new Map<number, string>();
  for (const { x, y, mark } of points) {
    const cell = (rows - 1 - cellAt(down.place(y), rows)) * columns + cellAt(across.place(x), columns);
    counts.set(cell, (counts.get(cell) ?? 0) + 1);
    if (mark !== null && !marks.has(cell)) marks.set(cell, mark);
  }
  const { dots } = options.unicode ? UNICODE : ASCII;
  const glyphOf = (cell: number): string => {
    const mark = marks.get(cell);
    const count = counts.get(cell) ?? 0;
    if (mark !== undefined) return options.paint.good(options.paint.strong([...mark][0] ?? '*'));
    return count === 0 ? ' ' : dots[count === 1 ? 0 : count < 5 ? 1 : 2];
  };
  return Array.from({ length: rows }, (_, row) =>
    Array.from({ length: columns }, (__, column) => glyphOf(row * columns + column)),
  );
}

function cellAt(place: number, cells: number): number {
  return Math.min(cells - 1, Math.max(0, Math.round(place * (cells - 1))));
}

function sideLabels(axis: Axis, labels: readonly string[], rows: number): Map<number, string> {
  return new Map(axis.ticks.map((tick, index) => [rows - 1 - cellAt(axis.place(tick), rows), labels[index] ?? '']));
}

/** The line below the field and the numbers below that; a number for which there is no room is left out with its tick. */
function floorLines(
  axis: Axis,
  {
    margin,
    columns,
    format,
    glyphs,
  }: { margin: number; columns: number; format: (value: number) => string; glyphs: Glyphs },
): string[] {
  const floor = Array.from({ length: columns }, () => glyphs.floor);
  let numbers = '';
  const end = margin + 1 + columns;
  for (const tick of axis.ticks) {
    const column = cellAt(axis.place(tick), columns);
    const label = format(tick);
    const centred = margin + 1 + column - Math.floor(label.length / 2);
    const start = Math.max(0, Math.min(centred, end - label.length));
    if (start < numbers.length + (numbers === '' ? 0 : 1) || start + label.length > end) continue;
    numbers = numbers.padEnd(start) + label;
    floor[column] = glyphs.floorTick;
  }
  return [`${' '.repeat(margin)}${glyphs.corner}${floor.join('')}`, numbers];
}

function cut(text: string, width: number): string {
  return [...text].slice(0, Math.max(0, Math.floor(width))).join('');
}
