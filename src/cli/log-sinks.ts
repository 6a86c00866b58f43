import { once } from 'node:events';
import { overwriteRow, withOwnColors, writeOut } from '../ui/door.js';
import { LogWriter } from '../ui/log-writer.js';
import type { ForgeContext } from './context.js';
import { type LogLine, lineDocument } from './log-lines.js';
import type { LineSink } from './log-output.js';

/** One document of everything, for --json without --follow. */
export class CollectingSink implements LineSink {
  readonly lines: Record<string, unknown>[] = [];
  readonly notes: string[] = [];

  line(line: LogLine): void {
    this.lines.push(lineDocument(line));
  }

  partial(): void {}

  note(text: string): void {
    this.notes.push(text);
  }

  async flush(): Promise<void> {}
}

/** --json --follow: one object a line. */
export class EventSink implements LineSink {
  private readonly context: ForgeContext;

  constructor(context: ForgeContext) {
    this.context = context;
  }

  line(line: LogLine): void {
    this.context.reporter.event('line', { line: lineDocument(line) });
  }

  partial(): void {}

  note(text: string, facts: Record<string, unknown>): void {
    this.context.reporter.event('gap', { message: text, ...facts });
  }

  flush(): Promise<void> {
    return untilWritten();
  }
}

/** For people, and for pipes. */
export class TextSink implements LineSink {
  private readonly writer: LogWriter;
  private readonly context: ForgeContext;

  constructor(context: ForgeContext, writer: LogWriter) {
    this.context = context;
    this.writer = writer;
  }

  line({ service, shown }: LogLine): void {
    this.writer.line({ service, text: withOwnColors(shown) });
  }

  partial(service: string, text: string): void {
    this.writer.partial(service, withOwnColors(text));
  }

  note(text: string): void {
    this.beside(() => this.context.reporter.warn(text));
  }

  flush(): Promise<void> {
    return this.writer.flush();
  }

  /** Which logs there will be; `more` when others may come. */
  expect(names: readonly string[], more: boolean): void {
    this.writer.expect(names, more);
  }

  /** The line that is drawn over is not part of the answer. */
  endPartial(): void {
    this.writer.endPartials();
  }

  /** Something on stderr, which may be the same terminal: in its place among the lines. */
  beside(say: () => void): void {
    this.writer.hidePartial();
    void this.writer.flush();
    this.writer.hidePartial();
    say();
  }
}

export async function textSink(context: ForgeContext): Promise<TextSink> {
  const { terminal } = context;
  const { namePaints } = await import('../ui/color.js');
  const paints = await namePaints(terminal.colorOnStdout);
  const writer = new LogWriter({
    write: (text, overRow) => (overRow ? overwriteRow(text) : writeOut(text)),
    drained: untilWritten,
    canRedraw: terminal.stdoutIsTerminal && terminal.canAnimate,
    columns: () => process.stdout.columns ?? 80,
    paintName: (name, nth) => paints[nth % paints.length]?.(name) ?? name,
  });
  return new TextSink(context, writer);
}

async function untilWritten(): Promise<void> {
  if (process.stdout.writableNeedDrain) await once(process.stdout, 'drain');
}
