import { palette } from './color.js';
import { cleanLine } from './sanitize.js';
import type { Terminal } from './terminal.js';

export interface TableColumn<Row> {
  header: string;
  value: (row: Row) => string;
  align?: 'left' | 'right';
  /** Columns with the highest number go first when the terminal is too narrow; those without stay. */
  priority?: number;
}

const GAP = '  ';

/** Aligned columns without borders. A pipe gets every column uncut and no colour; a terminal gets what fits. */
export async function renderTable<Row>(
  rows: readonly Row[],
  columns: readonly TableColumn<Row>[],
  terminal: Terminal,
): Promise<string> {
  const { default: Table } = await import('cli-table3');
  const paint = await palette(terminal.colorOnStdout);
  const cells = rows.map((row) => columns.map((column) => cleanLine(column.value(row))));
  const kept = fittingColumns(columns, cells, terminal.columns);
  const table = new Table({
    head: kept.map((index) => paint.strong(columns[index]?.header ?? '')),
    colAligns: kept.map((index) => columns[index]?.align ?? 'left'),
    chars: NO_BORDERS,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0, compact: true },
  });
  table.push(...cells.map((row) => kept.map((index) => row[index] ?? '')));
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

const NO_BORDERS = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: GAP,
};

/** Indices of the columns that fit, dropping the least important first. */
function fittingColumns<Row>(
  columns: readonly TableColumn<Row>[],
  cells: readonly string[][],
  width: number,
): number[] {
  const widths = columns.map((column, index) =>
    Math.max(column.header.length, ...cells.map((row) => [...(row[index] ?? '')].length)),
  );
  let kept = columns.map((_, index) => index);
  const total = (): number => kept.reduce((sum, index) => sum + (widths[index] ?? 0) + GAP.length, -GAP.length);
  while (total() > width) {
    const droppable = kept.filter((index) => columns[index]?.priority !== undefined);
    const [first] = droppable.sort((one, other) => (columns[other]?.priority ?? 0) - (columns[one]?.priority ?? 0));
    if (first === undefined) break;
    kept = kept.filter((index) => index !== first);
  }
  return kept;
}
