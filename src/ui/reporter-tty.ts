import type { Ora } from 'ora';
import type { Clock } from '../clock.js';
import type { Palette } from './color.js';
import { printable } from './door.js';
import { formatDuration } from './format.js';
import type { Reporter, Stage } from './reporter.js';
import { cleanLine } from './sanitize.js';

export interface TtyReporterOptions {
  stream: NodeJS.WriteStream;
  clock: Clock;
  paint: Palette;
  /** ora's factory, loaded by the caller: only a terminal pays for it. */
  ora: (options: object) => Ora;
}

const TICK_MS = 100;

/** A spinner with title, elapsed time and detail; finished stages stay as plain lines. */
export function createTtyReporter(options: TtyReporterOptions): Reporter {
  const { stream, paint } = options;
  let open: TtyStage | null = null;
  /** A line in the middle of a stage: above the spinner, not through it. */
  const line = (text: string): void => {
    open?.pause();
    stream.write(printable(`${text}\n`));
    open?.resume();
  };
  return {
    stage: (_id, title) => {
      open = new TtyStage(title, options, () => {
        open = null;
      });
      return open;
    },
    info: line,
    warn: (text) => line(`${paint.bad('Warning:')} ${text}`),
    event: () => {},
  };
}

class TtyStage implements Stage {
  private readonly title: string;
  private readonly options: TtyReporterOptions;
  private readonly onEnd: () => void;
  private readonly spinner: Ora;
  private readonly startedMs: number;
  private readonly ticker: NodeJS.Timeout;
  private lastDetail = '';

  constructor(title: string, options: TtyReporterOptions, onEnd: () => void) {
    this.title = cleanLine(title);
    this.options = options;
    this.onEnd = onEnd;
    this.startedMs = options.clock.now();
    // discardStdin would swallow Ctrl-C in raw mode; the signal handler must see it.
    this.spinner = options
      .ora({ text: this.title, stream: options.stream, discardStdin: false, hideCursor: true })
      .start();
    this.ticker = setInterval(() => this.draw(), TICK_MS);
    this.ticker.unref();
  }

  detail(text: string): void {
    this.lastDetail = cleanLine(text);
    this.draw();
  }

  done(text?: string): void {
    this.end(this.options.paint.good('✓'), text);
  }

  failed(text?: string): void {
    this.end(this.options.paint.bad('✗'), text);
  }

  pause(): void {
    this.spinner.stop();
  }

  resume(): void {
    this.spinner.start();
  }

  private draw(): void {
    const width = this.options.stream.columns ?? 80;
    const head = `${this.title}  ${this.elapsed()}`;
    // Two columns belong to the spinner; a line that wraps would not be erased.
    const room = width - head.length - 6;
    const detail = [...this.lastDetail].slice(0, Math.max(0, room)).join('');
    this.spinner.text = printable(detail === '' ? head : `${head}  ${this.options.paint.faint(detail)}`);
  }

  private end(mark: string, text: string | undefined): void {
    clearInterval(this.ticker);
    this.spinner.stop();
    this.onEnd();
    this.options.stream.write(
      printable(`${mark} ${cleanLine(text ?? this.title)} ${this.options.paint.faint(this.elapsed())}\n`),
    );
  }

  private elapsed(): string {
    return formatDuration(this.options.clock.now() - this.startedMs);
  }
}
