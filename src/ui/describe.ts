import { palette } from './color.js';
import { cleanLine } from './sanitize.js';
import type { Terminal } from './terminal.js';

/** "Name   value" lines, names padded alike. */
export async function renderKeyValues(
  lines: readonly (readonly [string, string])[],
  terminal: Terminal,
): Promise<string> {
  const paint = await palette(terminal.colorOnStdout);
  const width = Math.max(...lines.map(([name]) => name.length));
  return lines.map(([name, value]) => `${paint.faint(name.padEnd(width))}  ${cleanLine(value)}`).join('\n');
}
