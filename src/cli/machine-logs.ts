import { EXIT, ForgeError } from '../errors.js';
import type { Catalog, LogFile } from '../instance/log-reader/frames.js';
import type { LogWish } from '../instance/log-reader/log-stream.js';
import type { Instance } from '../vast/model.js';
import type { Link } from '../workflows/connect-instance.js';
import { type ReadLogsRequest, readLogs } from '../workflows/logs/read-logs.js';
import type { ForgeContext } from './context.js';
import { connectDependencies } from './instance-link.js';
import { chooseLogs } from './log-choice.js';
import { LogOutput } from './log-output.js';
import { type LogRequest, nothingShown } from './log-request.js';
import { instanceRedactor } from './log-secrets.js';
import { CollectingSink, EventSink, type TextSink, textSink } from './log-sinks.js';
import { nameOf } from './select-instances.js';

export interface LogsDocument {
  services: string[];
  lines: Record<string, unknown>[];
  notes: string[];
}

/** What there is, without reading any of it. */
export async function listMachineLogs(
  context: ForgeContext,
  instance: Instance,
  sshKey: string | null,
): Promise<LogFile[]> {
  const found: LogFile[] = [];
  const silent = { line() {}, partial() {}, gap() {}, caughtUp() {}, done() {} };
  await readLogs(await dependencies(context, sshKey), {
    instance,
    follow: false,
    events: silent,
    choose: ({ logs }) => {
      found.push(...logs);
      return { names: [], follow: false, tail: null, since: null };
    },
    onProgress: () => {},
    ...connectionNotes(context, instance, (say) => say()),
  });
  return found;
}

/** Logs of the machine, over SSH. With `follow` reading them ends only by an interruption or with the instance. */
export class MachineLogs {
  private readonly context: ForgeContext;
  private readonly instance: Instance;
  private readonly request: LogRequest;
  private readonly document = new CollectingSink();
  private text: TextSink | null = null;
  private output: LogOutput | null = null;
  private services: string[] = [];

  constructor(context: ForgeContext, instance: Instance, request: LogRequest) {
    this.context = context;
    this.instance = instance;
    this.request = request;
  }

  async show(isJson: boolean, choose = chooseLogs): Promise<LogsDocument> {
    const { context, instance, request } = this;
    if (!isJson) this.text = await textSink(context);
    const events = () => this.output;
    try {
      await readLogs(await dependencies(context, request.sshKey), {
        instance,
        follow: request.follow,
        choose: (catalog) => this.begin(catalog, choose),
        events: {
          line: (name, text) => events()?.line(name, text),
          partial: (name, text) => events()?.partial(name, text),
          gap: (name, why) => events()?.gap(name, why),
          caughtUp: (name) => events()?.caughtUp(name),
          done: () => events()?.done(),
        },
        onProgress: () => events()?.flush(),
        ...connectionNotes(context, instance, (say) => this.beside(say)),
      });
    } finally {
      this.text?.endPartial();
      await events()?.flush();
    }
    if (this.output?.count === 0 && !request.follow && this.services.length > 0)
      context.reporter.info(nothingShown(request));
    return { services: this.services, lines: this.document.lines, notes: this.document.notes };
  }

  private begin(catalog: Catalog, choose: typeof chooseLogs): LogWish {
    const { request, context } = this;
    const { names, note } = choose(catalog, request);
    if (note !== null) this.beside(() => context.reporter.info(note));
    if (request.filter?.note) this.beside(() => context.reporter.warn(request.filter?.note ?? ''));
    const inPortal = catalog.logs.filter(({ name, portal }) => portal && !name.endsWith('.old'));
    this.services = names ?? inPortal.map(({ name }) => name);
    this.text?.expect(this.services, names === null);
    const sink = this.text ?? (request.follow ? new EventSink(context) : this.document);
    // Lines that do not match cannot be counted on the machine: secrets are taken out here.
    const isCountedHere = request.filter !== null;
    const historyLimit = isCountedHere ? request.tail : null;
    const reading = {
      redact: instanceRedactor(this.instance),
      color: this.text !== null && context.terminal.colorOnStdout,
      utcOffsetS: catalog.utc_offset_s,
    };
    this.output = new LogOutput({ sink, filter: request.filter, historyLimit, together: this.services }, reading);
    return { names, follow: request.follow, tail: isCountedHere ? null : request.tail, since: request.since };
  }

  private beside(say: () => void): void {
    if (this.text === null) say();
    else this.text.beside(say);
  }
}

async function dependencies(context: ForgeContext, sshKey: string | null) {
  return { ...(await connectDependencies(context, sshKey)), random: Math.random };
}

/** What is said of the connection: once when it fails, and when it is there again. */
function connectionNotes(
  context: ForgeContext,
  instance: Instance,
  beside: (say: () => void) => void,
): Pick<ReadLogsRequest, 'onLost' | 'onConnected'> {
  const { reporter } = context;
  return {
    onLost: (error, wasConnected) =>
      beside(() => {
        reporter.event('disconnected', { instance: instance.id, reason: error.message, code: error.code });
        const again = wasConnected ? 'Connecting again …' : 'Trying again …';
        reporter.info(`${error.message} ${again}`);
      }),
    onConnected: ({ connection, instance: row }: Link, wasLost) =>
      beside(() => {
        reporter.event('connected', { instance: row.id, via: connection.via });
        if (wasLost) reporter.info(`Connected to ${nameOf(row)}.`);
      }),
  };
}

/** A failed login says what works without one. */
export function hintAtContainer(error: unknown, instance: Instance): unknown {
  if (!(error instanceof ForgeError) || ![EXIT.sshFailed, EXIT.notReady].includes(error.exit as never)) return error;
  const { code, exit, details } = error;
  if (error.hint?.includes('--container')) return error;
  const other = `forgectl logs ${instance.id} --container   asks the API, without SSH`;
  const hint = error.hint === null ? other : `${error.hint}\n${other}`;
  return new ForgeError(error.message, { code, exit, hint, details, cause: error });
}
