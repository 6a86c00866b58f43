import { cleanLine } from './sanitize.js';

export interface ShownLine {
  service: string;
  /** Clean; may hold colours. */
  text: string;
}

export interface LogWriterOptions {
  /** `overRow`: in the place of the row that was drawn last. */
  write(text: string, overRow: boolean): boolean;
  /** Resolves when a write that returned false has gone out. */
  drained(): Promise<void>;
  /** Lines may be drawn over: stdout is a terminal that can. */
  canRedraw: boolean;
  /** Of the terminal, now. */
  columns(): number;
  /** Paints the name of the nth service. */
  paintName(name: string, nth: number): string;
}

/**
 * Lines of one or several logs on stdout; with several, each begins with its name. On a terminal the line that is not whole
 * yet (a progress bar) is shown below the others and drawn over; a pipe gets whole lines only.
 */
export class LogWriter {
  private readonly options: LogWriterOptions;
  private names: string[] = [];
  private width = 0;
  private showsNames = false;
  private waiting = '';
  /** What may be drawn below the lines, the newest last. */
  private readonly unfinished = new Map<string, string>();
  private drawn = '';

  constructor(options: LogWriterOptions) {
    this.options = options;
  }

  /** Which logs there are; `more` when others may come. */
  expect(names: readonly string[], more: boolean): void {
    for (const name of names) this.nth(cleanLine(name));
    this.showsNames = more || this.names.length > 1;
  }

  line({ service, text }: ShownLine): void {
    this.waiting += `${this.prefix(service)}${text}\n`;
  }

  /** '' takes it away. */
  partial(service: string, text: string): void {
    if (!this.options.canRedraw) return;
    this.unfinished.delete(service);
    if (text !== '') this.unfinished.set(service, text);
  }

  /** Nothing is unfinished any more. */
  endPartials(): void {
    this.unfinished.clear();
  }

  /** Before something else is printed on the same terminal. */
  hidePartial(): void {
    if (this.drawn !== '') this.options.write('', true);
    this.drawn = '';
  }

  /** Everything so far goes out; resolves when there is room again. */
  async flush(): Promise<void> {
    const row = this.row();
    if (this.waiting === '' && row === this.drawn) return;
    const text = `${this.waiting}${row}`;
    const overRow = this.drawn !== '';
    this.waiting = '';
    this.drawn = row;
    if (!this.options.write(text, overRow)) await this.options.drained();
  }

  private row(): string {
    const [service, text] = [...this.unfinished].at(-1) ?? ['', ''];
    const room = this.options.columns() - 1 - (this.showsNames ? this.width + 3 : 0);
    const shown = fitting(text, room);
    return shown === '' ? '' : `${this.prefix(service)}${shown}`;
  }

  private prefix(service: string): string {
    const name = cleanLine(service);
    const nth = this.nth(name);
    return this.showsNames ? `${this.options.paintName(name.padEnd(this.width), nth)} | ` : '';
  }

  private nth(name: string): number {
    const known = this.names.indexOf(name);
    if (known !== -1) return known;
    this.width = Math.max(this.width, name.length);
    return this.names.push(name) - 1;
  }
}

const WIDE = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\uffe6]|[\u{1f000}-\u{3ffff}]/u;
// biome-ignore lint/suspicious/noControlCharactersInRegex: colours take no room
const PARTS = /\u001b\[[\d;]*m|./gu;

/** As much of it as surely fits on one row: a row that wraps cannot be erased. */
function fitting(text: string, columns: number): string {
  let left = columns;
  let shown = '';
  for (const [part] of text.slice(0, 4000).replaceAll('\t', ' ').matchAll(PARTS)) {
    const isColor = part.startsWith('\u001b');
    if (!isColor) left -= WIDE.test(part) ? 2 : 1;
    if (isColor || left >= 0) shown += part;
  }
  return shown;
}
