import { cleanLogLine } from '../instance/clean-log.js';
import type { Break, StreamEvents } from '../instance/log-reader/log-stream.js';
import type { LineFilter } from './log-filter.js';
import { type LineReading, type LogLine, mergeByTime, readLine } from './log-lines.js';

/** Where lines go: a terminal or pipe, JSON lines, one JSON document. */
export interface LineSink {
  line(line: LogLine): void;
  /** The line at the end of a log that is not whole yet; '' when it is. */
  partial(service: string, text: string): void;
  /** Something to know about the lines that follow. */
  note(text: string, facts: Record<string, unknown>): void;
  /** Resolves when what was given has gone out. */
  flush(): Promise<void>;
}

export interface LogOutputOptions {
  sink: LineSink;
  filter: LineFilter | null;
  /** How many lines of each log are shown of what is there, when they cannot be counted on the machine. */
  historyLimit: number | null;
  /** Logs whose histories are given as one, in the order of time. */
  together: readonly string[];
}

/** Between the logs' bytes as lines and the place where they are shown: cleaning, filter, and what was there before. */
export class LogOutput implements StreamEvents {
  reading: LineReading;
  /** How many lines were shown. */
  count = 0;
  private readonly options: LogOutputOptions;
  private readonly histories = new Map<string, LogLine[]>();
  private readonly awaited: Set<string>;
  /** Lines that came while others' histories were still on their way. */
  private newer: LogLine[] = [];
  private isHolding: boolean;

  constructor(options: LogOutputOptions, reading: LineReading) {
    this.options = options;
    this.reading = reading;
    this.awaited = new Set(options.together);
    this.isHolding = options.together.length > 1 || options.historyLimit !== null;
  }

  line(name: string, raw: string): void {
    const line = readLine(name, raw, this.reading);
    if (this.options.filter?.matches(line.text) === false) return;
    if (!this.isHolding) this.show(line);
    else if (this.awaited.has(name)) this.keep(name, line);
    else this.newer.push(line);
  }

  partial(name: string, raw: string): void {
    if (this.isHolding) return;
    const { redact, color } = this.reading;
    const text = cleanLogLine(raw, { redact });
    // Its last word may be the first half of a secret.
    const isOpen = !/[\s\])}%|:>?.!…]$/u.test(text);
    const shown = isOpen ? withoutLastWord(text) : cleanLogLine(raw, { redact, color });
    const isWanted = shown !== '' && this.options.filter?.matches(text) !== false;
    this.options.sink.partial(name, isWanted ? shown : '');
  }

  gap(name: string, why: Break): void {
    this.options.sink.note(`${name}: ${BREAKS[why]}`, { service: name, reason: why });
  }

  caughtUp(name: string): void {
    this.awaited.delete(name);
    if (this.awaited.size === 0) this.release();
  }

  done(): void {
    this.release();
  }

  flush(): Promise<void> {
    return this.options.sink.flush();
  }

  private show(line: LogLine): void {
    this.count += 1;
    this.options.sink.line(line);
  }

  private keep(name: string, line: LogLine): void {
    const lines = this.histories.get(name) ?? [];
    this.histories.set(name, lines);
    lines.push(line);
    const { historyLimit } = this.options;
    if (historyLimit !== null && lines.length >= 2 * historyLimit + 1000) lines.splice(0, lines.length - historyLimit);
  }

  private release(): void {
    if (!this.isHolding) return;
    this.isHolding = false;
    const { historyLimit } = this.options;
    const histories = [...this.histories.values()].map((lines) =>
      historyLimit === null ? lines : lines.slice(Math.max(0, lines.length - historyLimit)),
    );
    for (const line of [...mergeByTime(histories), ...this.newer]) this.show(line);
    this.histories.clear();
    this.newer = [];
  }
}

const BREAKS: Record<Break, string> = {
  rotated: 'moved aside more than once at a time; lines before this may be missing.',
  emptied: 'emptied on the machine; what was written just before may be missing.',
  lost: 'replaced while there was no connection; lines before this may be missing.',
};

function withoutLastWord(text: string): string {
  let end = text.length;
  while (end > 0 && !/\s/u.test(text[end - 1] as string)) end -= 1;
  return text.slice(0, end);
}
