import { Transform } from 'node:stream';
import type { WindowSize } from '../ssh/session.js';
import { ESCAPE_HELP, EscapeKeys } from '../ui/escape-keys.js';
import { TerminalModes } from '../ui/terminal-modes.js';

/** The terminal in front of the user, while a machine has it. */
export class LocalTerminal {
  /** What the user types, without what is meant for us. */
  readonly input: Transform;
  /** What the machine shows. */
  readonly output: Transform;
  private readonly modes = new TerminalModes();
  private readonly undo: (() => void)[] = [];

  constructor(onDisconnect: () => void) {
    const keys = new EscapeKeys();
    this.input = new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        // Only a terminal has lines that are typed.
        if (process.stdin.isTTY !== true) return done(null, chunk);
        const { bytes, actions } = keys.read(chunk);
        if (actions.includes('help')) process.stderr.write(`\r\n${ESCAPE_HELP}\r\n`);
        if (actions.includes('disconnect')) onDisconnect();
        done(null, bytes);
      },
    });
    this.output = new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        this.modes.see(chunk);
        done(null, chunk);
      },
    });
  }

  static type(): string {
    return process.env['TERM'] || 'xterm-256color';
  }

  static size(): WindowSize {
    const { columns = 80, rows = 24 } = process.stdout.isTTY ? process.stdout : process.stderr;
    return { columns: columns || 80, rows: rows || 24 };
  }

  /** From here every key goes to the machine, Ctrl-C too. However the process ends, the terminal is as it was. */
  take(onResize: (size: WindowSize) => void): void {
    const resized = (): void => onResize(LocalTerminal.size());
    process.on('SIGWINCH', resized);
    this.undo.push(() => process.off('SIGWINCH', resized));
    if (process.stdin.isTTY === true) {
      process.stdin.setRawMode(true);
      this.undo.push(() => process.stdin.setRawMode(false));
    }
    const restore = (): void => this.giveBack(false);
    process.on('exit', restore);
    this.undo.push(() => process.off('exit', restore));
    // A terminal that was closed: the signal that comes with it says enough.
    process.stdin.on('error', () => {});
    process.stdin.pipe(this.input);
    this.output.pipe(process.stdout, { end: false });
  }

  /** After an end in the middle of something, the programs' own modes are taken back too. */
  giveBack(isClean: boolean): void {
    if (this.undo.length === 0) return;
    for (const undo of this.undo.splice(0)) undo();
    if (!isClean && process.stdout.isTTY === true) process.stdout.write(this.modes.undo());
  }
}
