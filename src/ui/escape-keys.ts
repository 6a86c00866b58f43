const TILDE = 0x7e;
const isLineEnd = (byte: number | undefined): boolean => byte === 0x0a || byte === 0x0d;

export type EscapeAction = 'disconnect' | 'help';

export const ESCAPE_HELP = [
  'At the start of a line:',
  '  ~.  end the connection',
  '  ~~  send one ~',
  '  ~?  this list',
].join('\r\n');

/** What OpenSSH's users type at the start of a line: `~.` leaves a machine that does not answer, `~~` is one tilde. */
export class EscapeKeys {
  private atLineStart = true;
  private isPending = false;

  /** What goes to the machine, and what was asked of us; nothing after `~.` goes anywhere. */
  read(chunk: Uint8Array): { bytes: Buffer; actions: EscapeAction[] } {
    const kept: number[] = [];
    const actions: EscapeAction[] = [];
    for (const byte of chunk) {
      if (this.isPending) {
        this.isPending = false;
        if (byte === 0x2e) return { bytes: Buffer.from(kept), actions: [...actions, 'disconnect'] };
        if (byte === 0x3f) {
          actions.push('help');
          continue;
        }
        kept.push(TILDE);
        if (byte !== TILDE) kept.push(byte);
        this.atLineStart = isLineEnd(byte);
        continue;
      }
      if (this.atLineStart && byte === TILDE) {
        this.isPending = true;
        continue;
      }
      kept.push(byte);
      this.atLineStart = isLineEnd(byte);
    }
    return { bytes: Buffer.from(kept), actions };
  }
}
