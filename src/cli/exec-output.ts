import { Writable } from 'node:stream';
import type { RunResult } from './remote-run-many.js';

/** Of each stream of each machine; the rest is counted and dropped, and the document says so. */
const MAX_KEPT_BYTES = 1024 * 1024;

/** Keeps the beginning of a stream, for a document. */
export class KeptOutput extends Writable {
  private readonly chunks: Buffer[] = [];
  private kept = 0;
  private bytes = 0;

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.bytes += chunk.length;
    const part = chunk.subarray(0, MAX_KEPT_BYTES - this.kept);
    if (part.length > 0) {
      this.chunks.push(part);
      this.kept += part.length;
    }
    done();
  }

  /** Text as it is; what is no UTF-8 as base64. A character that the limit has cut is left out. */
  document(name: 'stdout' | 'stderr'): Record<string, unknown> {
    const all = Buffer.concat(this.chunks);
    const isTruncated = this.bytes > this.kept;
    const text = decode(isTruncated ? withoutCutCharacter(all) : all);
    return {
      [name]: text ?? all.toString('base64'),
      [`${name}_encoding`]: text === null ? 'base64' : 'utf8',
      [`${name}_bytes`]: this.bytes,
      [`${name}_truncated`]: isTruncated,
    };
  }
}

function decode(bytes: Buffer): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** At most the last three bytes belong to a character that has not ended. */
function withoutCutCharacter(bytes: Buffer): Buffer {
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] as number;
    if (byte < 0x80) return bytes;
    if (byte >= 0xc0) return back < sequenceLength(byte) ? bytes.subarray(0, bytes.length - back) : bytes;
  }
  return bytes;
}

function sequenceLength(first: number): number {
  return first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
}

/** One entry of `instances`: keys are stable, null where nothing is known. */
export function execDocument(
  result: RunResult,
  output: { stdout: KeptOutput; stderr: KeptOutput },
): Record<string, unknown> {
  const { instance, address, outcome, elapsedMs, error } = result;
  return {
    id: instance.id,
    label: instance.label,
    address: address === null ? null : `${address.host}:${address.port}`,
    via: address?.via ?? null,
    exit_code: outcome?.exitCode ?? null,
    signal: outcome?.signal ?? null,
    timed_out: outcome?.timedOut ?? false,
    elapsed_s: Math.round(elapsedMs / 100) / 10,
    ...output.stdout.document('stdout'),
    ...output.stderr.document('stderr'),
    error: error === null ? null : { code: error.code, message: error.message, hint: error.hint, exit: error.exit },
  };
}
