import { EXIT, ForgeError } from '../errors.js';
import type { Instance } from '../vast/model.js';
import { pollLog } from '../workflows/logs/poll-log.js';
import type { ForgeContext } from './context.js';
import { type LineReading, type LogLine, linesSince, readLine } from './log-lines.js';
import type { LineSink } from './log-output.js';
import { type LogRequest, nothingShown } from './log-request.js';
import { instanceRedactor } from './log-secrets.js';
import { CollectingSink, EventSink, textSink } from './log-sinks.js';
import type { LogsDocument } from './machine-logs.js';

export type ApiLog = 'container' | 'host';

/** The API gives the end of a log only, and needs a number. */
const MOST_LINES = 20_000;
/** As much as is written between two looks, and then some. */
const WINDOW_LINES = 2_000;

/** What the container printed, or what the host's daemon wrote about it: over the API, whether SSH works or not. */
export class ApiLogs {
  private readonly context: ForgeContext;
  private readonly instance: Instance;
  private readonly source: ApiLog;
  private readonly request: LogRequest;

  constructor(context: ForgeContext, instance: Instance, source: ApiLog, request: LogRequest) {
    this.context = context;
    this.instance = instance;
    this.source = source;
    this.request = request;
  }

  /** Shows it, or with --json gives it. With `follow` it ends only by an interruption or with the instance. */
  async show(isJson: boolean): Promise<LogsDocument> {
    const document = new CollectingSink();
    const text = isJson ? null : await textSink(this.context);
    const sink = text ?? (this.request.follow ? new EventSink(this.context) : document);
    if (this.request.filter?.note) this.context.reporter.warn(this.request.filter.note);
    if (this.request.follow) await this.follow(sink);
    const lines = await this.read(this.context.terminal.colorOnStdout);
    for (const line of lines) sink.line(line);
    await sink.flush();
    if (lines.length === 0) this.context.reporter.info(nothingShown(this.request));
    return { services: [this.source], lines: document.lines, notes: [] };
  }

  async read(color: boolean): Promise<LogLine[]> {
    const { filter, since, tail } = this.request;
    const plainText = filter?.plainText ?? null;
    const isCountedHere = since !== null || (filter !== null && plainText === null);
    const tailLines = Math.max(1, isCountedHere || tail === null ? MOST_LINES : tail);
    const text = await this.fetch(tailLines, plainText);
    if (text === null) throw this.notInTime();
    if (text.trim() === '') return [];
    return this.chosen(text.replace(/\n$/u, '').split('\n'), this.reading(color));
  }

  private async follow(sink: LineSink): Promise<never> {
    const { reporter, clock, interruption, terminal } = this.context;
    const reading = this.reading(terminal.colorOnStdout);
    return pollLog(
      { fetch: () => this.fetch(WINDOW_LINES, null), clock, signal: interruption.signal },
      {
        lines: async (raw, isFirst) => {
          for (const line of isFirst ? this.chosen(raw, reading) : this.matching(raw, reading)) sink.line(line);
          await sink.flush();
        },
        gap: () =>
          sink.note(`${this.source}: lines before this may be missing.`, { service: this.source, reason: 'lost' }),
        failed: (error) => reporter.warn(`${error.message} Trying again …`),
      },
    );
  }

  private chosen(raw: readonly string[], reading: LineReading): LogLine[] {
    const { since, tail } = this.request;
    const recent = linesSince(
      raw.map((line) => readLine(this.source, line, reading)),
      since,
    );
    const matching = recent.filter((line) => this.request.filter?.matches(line.text) !== false);
    return tail === null ? matching : matching.slice(Math.max(0, matching.length - tail));
  }

  private matching(raw: readonly string[], reading: LineReading): LogLine[] {
    const lines = raw.map((line) => readLine(this.source, line, reading));
    return lines.filter((line) => this.request.filter?.matches(line.text) !== false);
  }

  private async fetch(tailLines: number, filter: string | null): Promise<string | null> {
    const { instances } = await this.context.vast();
    const options = { tailLines, daemon: this.source === 'host', ...(filter === null ? {} : { filter }) };
    return instances.logs(this.instance.id, options).catch((error: unknown) => {
      throw this.request.follow ? gone(error) : error;
    });
  }

  private reading(color: boolean): LineReading {
    return { redact: instanceRedactor(this.instance), color, utcOffsetS: 0 };
  }

  private notInTime(): ForgeError {
    const whose = this.source === 'host' ? "the host's daemon" : 'the container';
    return new ForgeError(`The log of ${whose} did not come in time.`, {
      code: 'LOG_NOT_IN_TIME',
      exit: EXIT.timedOut,
      hint: 'The host writes it; it may be busy or offline. Try again.',
      details: { instance_id: this.instance.id },
    });
  }
}

/** While it was followed it was there; now the instance is gone. */
function gone(error: unknown): unknown {
  if (!(error instanceof ForgeError) || error.exit !== EXIT.notFound) return error;
  const { message, code, details } = error;
  return new ForgeError(message, { code, exit: EXIT.notReady, hint: 'forgectl ls shows what is there.', details });
}
