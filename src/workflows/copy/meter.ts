import type { Clock } from '../../clock.js';

export interface Progress {
  phase: 'copying' | 'comparing';
  files: number;
  totalFiles: number;
  bytes: number;
  totalBytes: number;
  /** Of the last seconds; null until it is known. */
  bytesPerS: number | null;
  /** Null until it can be told. */
  remainingS: number | null;
}

/** The rate shown is that of the last so many seconds: a stall must show, a hiccup need not. */
const WINDOW_MS = 8000;
const SAMPLE_EVERY_MS = 250;

/** Counts what has arrived, tells how fast, and holds it back when it may not be faster. */
export class Meter {
  files = 0;
  bytes = 0;
  /** What went over the wire, again or in vain included. */
  movedBytes = 0;
  private readonly clock: Clock;
  private readonly signal: AbortSignal;
  private readonly mostBytesPerS: number | null;
  private readonly onProgress: (progress: Progress) => void;
  private phase: Progress['phase'] = 'copying';
  private totalFiles = 0;
  private totalBytes = 0;
  private samples: { ms: number; bytes: number }[] = [];
  /** When the next byte may go. */
  private freeAtMs = 0;

  constructor(options: {
    clock: Clock;
    signal: AbortSignal;
    mostBytesPerS: number | null;
    onProgress: (progress: Progress) => void;
  }) {
    this.clock = options.clock;
    this.signal = options.signal;
    this.mostBytesPerS = options.mostBytesPerS;
    this.onProgress = options.onProgress;
  }

  begin(phase: Progress['phase'], total: { files: number; bytes: number }): void {
    this.phase = phase;
    this.files = 0;
    this.bytes = 0;
    this.totalFiles = total.files;
    this.totalBytes = total.bytes;
    this.samples = [];
    this.tell();
  }

  countFiles(files: number): void {
    this.files += files;
    this.tell();
  }

  /** What is there already; negative for what has to be sent again. */
  count(bytes: number): void {
    this.bytes += bytes;
  }

  move(bytes: number): void {
    this.bytes += bytes;
    this.movedBytes += bytes;
    const now = this.clock.now();
    const last = this.samples.at(-1);
    if (last !== undefined && now - last.ms < SAMPLE_EVERY_MS) return;
    this.samples.push({ ms: now, bytes: this.movedBytes });
    this.samples = this.samples.filter(({ ms }) => now - ms <= WINDOW_MS);
    this.tell();
  }

  /** Counts chunks on their way, and lets them through no faster than is allowed. */
  async *through(
    content: AsyncIterable<Buffer> | Iterable<Buffer>,
    onBytes?: (bytes: number) => void,
  ): AsyncGenerator<Buffer> {
    for await (const chunk of content) {
      this.signal.throwIfAborted();
      if (this.mostBytesPerS !== null) await this.waitForTurn(chunk.length, this.mostBytesPerS);
      yield chunk;
      this.move(chunk.length);
      onBytes?.(chunk.length);
    }
  }

  private async waitForTurn(bytes: number, mostBytesPerS: number): Promise<void> {
    const now = this.clock.now();
    const startMs = Math.max(now, this.freeAtMs);
    this.freeAtMs = startMs + (bytes / mostBytesPerS) * 1000;
    if (startMs > now) await this.clock.sleep(startMs - now, this.signal);
  }

  private tell(): void {
    const bytesPerS = this.rate();
    const left = Math.max(0, this.totalBytes - this.bytes);
    this.onProgress({
      phase: this.phase,
      files: this.files,
      totalFiles: this.totalFiles,
      bytes: this.bytes,
      totalBytes: this.totalBytes,
      bytesPerS,
      remainingS: bytesPerS === null || bytesPerS <= 0 ? null : left / bytesPerS,
    });
  }

  private rate(): number | null {
    const first = this.samples[0];
    if (first === undefined) return null;
    const elapsedMs = this.clock.now() - first.ms;
    return elapsedMs < SAMPLE_EVERY_MS ? null : Math.max(0, ((this.movedBytes - first.bytes) / elapsedMs) * 1000);
  }
}
