import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EscapeKeys } from '../../src/ui/escape-keys.ts';
import { TerminalModes } from '../../src/ui/terminal-modes.ts';

/** What goes to the machine, when the keys come in pieces of this size. */
function type(text: string, size = 100): { sent: string; actions: string[] } {
  const keys = new EscapeKeys();
  const bytes = Buffer.from(text);
  let sent = '';
  const actions: string[] = [];
  for (let at = 0; at < bytes.length; at += size) {
    const read = keys.read(bytes.subarray(at, at + size));
    sent += read.bytes.toString('latin1');
    actions.push(...read.actions);
    if (read.actions.includes('disconnect')) break;
  }
  return { sent, actions };
}

describe('escape keys', () => {
  it.each([
    ['~.', '', ['disconnect']],
    ['ls\r~.rest', 'ls\r', ['disconnect']],
    ['a~.', 'a~.', []],
    ['~~.', '~.', []],
    ['~?x', 'x', ['help']],
    ['~x', '~x', []],
    ['~\r~.', '~\r', ['disconnect']],
    ['\r~~\r~?~.', '\r~\r', ['help', 'disconnect']],
  ])('%j', (text, sent, actions) => {
    for (const size of [1, 2, 100]) expect(type(text, size)).toEqual({ sent, actions });
  });

  it('what holds no tilde goes as it is, in whatever pieces', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.integer({ min: 1, max: 7 }), (array, size) => {
        const text = Buffer.from(array.filter((byte) => byte !== 0x7e)).toString('latin1');
        const keys = new EscapeKeys();
        let sent = '';
        for (let at = 0; at < text.length; at += size)
          sent += keys.read(Buffer.from(text.slice(at, at + size), 'latin1')).bytes.toString('latin1');
        expect(sent).toBe(text);
      }),
    );
  });
});

describe('the modes of a terminal', () => {
  const undo = (text: string, size = 100): string => {
    const modes = new TerminalModes();
    for (let at = 0; at < text.length; at += size) modes.see(Buffer.from(text.slice(at, at + size)));
    return modes.undo();
  };

  it('that are switched are switched back, also when the bytes come one by one', () => {
    for (const size of [1, 3, 100]) {
      expect(undo('vim \u001b[?1049h\u001b[?25l text', size)).toBe('\u001b[?1049l\u001b[?25h\u001b[0m');
      expect(undo('\u001b[?1000;1006h', size)).toBe('\u001b[?1000l\u001b[?1006l\u001b[0m');
      expect(undo('\u001b[?1049h\u001b[?25l\u001b[?25h\u001b[?1049l', size)).toBe('');
      expect(undo('\u001b[?2004h$ \u001b[?2004l', size)).toBe('');
    }
  });

  it('that are as they were need nothing', () => {
    expect(undo('plain \u001b[31mred\u001b[0m \u001b[2J')).toBe('');
    expect(undo('\u001b[?7h\u001b[?25h')).toBe('');
  });
});
