/** Private modes that are on in a fresh terminal: wrapping lines, and the cursor. All others are off. */
const ON_AT_FIRST = new Set([7, 25]);
/** Longer than any sequence that is looked for. */
const TAIL = 64;

/**
 * Remembers which modes a machine's programs have switched (alternate screen, mouse, hidden cursor, bracketed paste), so
 * that a connection that ends in the middle of vim or tmux does not leave them switched.
 */
export class TerminalModes {
  private readonly changed = new Set<number>();
  private tail = '';

  see(chunk: Uint8Array): void {
    const text = this.tail + Buffer.from(chunk).toString('latin1');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: matching control characters is the point
    for (const [, numbers = '', end] of text.matchAll(/\u001b\[\?([\d;]{1,40})([hl])/gu)) {
      for (const number of numbers.split(';').map(Number)) this.note(number, end === 'h');
    }
    // What was cut in the middle is seen with the next chunk; what is whole must not be seen twice, after its opposite.
    const cut = text.lastIndexOf('\u001b');
    this.tail = cut > text.length - TAIL && !/[hl]/u.test(text.slice(cut)) ? text.slice(cut) : '';
  }

  /** What to write to have them as they were; colours too. Empty when nothing was switched. */
  undo(): string {
    const back = [...this.changed].map((number) => `\u001b[?${number}${ON_AT_FIRST.has(number) ? 'h' : 'l'}`);
    return back.length === 0 ? '' : `${back.join('')}\u001b[0m`;
  }

  private note(number: number, isOn: boolean): void {
    if (isOn === ON_AT_FIRST.has(number)) this.changed.delete(number);
    else this.changed.add(number);
  }
}
