import type { Clock } from '../../clock.js';
import { EXIT, ForgeError } from '../../errors.js';
import { cleanRemoteLine } from '../../instance/clean-log.js';
import { type Catalog, FrameParser } from '../../instance/log-reader/frames.js';
import type { LogStream } from '../../instance/log-reader/log-stream.js';
import { logReaderScript } from '../../instance/log-reader/script.js';
import { newMarker } from '../../instance/remote-script.js';
import type { Connection } from '../../ssh/connection.js';
import { PLAIN_BASH } from '../../ssh/shell.js';
import { type CommandStream, openStream } from '../../ssh/stream.js';

export interface SessionOptions {
  /** Called once the machine has said which logs there are; the stream to go on with. */
  streamFor(catalog: Catalog): LogStream;
  /** Told of every part that arrived. Resolves when the lines so far have gone out: nothing is read before. */
  onProgress(): Promise<void> | void;
  clock: Clock;
  signal: AbortSignal;
}

/** The reader says something every 10 s; a machine under load may be late. */
const SILENCE_LIMIT_MS = 45_000;
const LOOK_EVERY_MS = 5_000;

/**
 * One conversation with the reader on the machine. Resolves when everything that was wished has been read; throws when the
 * connection, or the reader, ended before. What arrived until then is in the stream.
 */
export async function converse(connection: Connection, options: SessionOptions): Promise<void> {
  const { signal } = options;
  const marker = newMarker();
  const channel = await openStream(connection, PLAIN_BASH, { signal });
  const watch = new SilenceWatch(options.clock, () => channel.close());
  try {
    channel.write(logReaderScript(marker));
    if (await readFrames(channel, new FrameParser(marker), { ...options, watch })) return;
  } finally {
    watch.end();
    channel.close();
  }
  signal.throwIfAborted();
  throw connection.brokenBy ?? endedEarly(channel.lastWords, watch.wasSilent);
}

async function readFrames(
  channel: CommandStream,
  parser: FrameParser,
  { streamFor, onProgress, watch }: SessionOptions & { watch: SilenceWatch },
): Promise<boolean> {
  let stream: LogStream | null = null;
  for await (const chunk of channel.chunks()) {
    for (const frame of parser.push(chunk)) {
      if (frame.t === 'catalog') {
        stream = streamFor(frame);
        channel.write(`${stream.request()}\n`);
      } else stream?.apply(frame);
    }
    await onProgress();
    watch.heard();
    if (stream?.isDone) return true;
  }
  return false;
}

function endedEarly(lastWords: string | null, wasSilent: boolean): ForgeError {
  const words = lastWords === null ? '' : cleanRemoteLine(lastWords.trim().split('\n').at(-1) ?? '');
  if (words !== '') {
    return new ForgeError(`The log reader on the machine ended: ${words.slice(0, 300)}`, {
      code: 'LOG_READER_FAILED',
      exit: EXIT.notReady,
      hint: 'forgectl logs --container asks the API instead.',
    });
  }
  const why = wasSilent ? 'the machine fell silent' : 'the connection was cut';
  return new ForgeError(`The logs stopped coming: ${why}.`, { code: 'SSH_LOST', exit: EXIT.sshFailed });
}

/** Ends a conversation whose other side is neither there nor gone. */
class SilenceWatch {
  wasSilent = false;
  private readonly clock: Clock;
  private readonly over = new AbortController();
  private heardMs: number;

  constructor(clock: Clock, onSilent: () => void) {
    this.clock = clock;
    this.heardMs = clock.now();
    this.run(onSilent).catch(() => {});
  }

  heard(): void {
    this.heardMs = this.clock.now();
  }

  end(): void {
    this.over.abort();
  }

  private async run(onSilent: () => void): Promise<void> {
    while (this.clock.now() - this.heardMs < SILENCE_LIMIT_MS) await this.clock.sleep(LOOK_EVERY_MS, this.over.signal);
    this.wasSilent = true;
    onSilent();
  }
}
