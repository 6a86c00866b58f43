import { describe, expect, it } from 'vitest';
import { LogWriter } from '../../src/ui/log-writer.ts';

function writer(canRedraw: boolean, columns = 40): { logs: LogWriter; out: string[] } {
  const out: string[] = [];
  const logs = new LogWriter({
    write: (text, overRow) => out.push(`${overRow ? '\r\u001b[2K' : ''}${text}`) > 0,
    drained: async () => {},
    canRedraw,
    columns: () => columns,
    paintName: (name, nth) => `<${nth}>${name}`,
  });
  return { logs, out };
}

/** What a terminal of one screen shows after these writes. */
function screen(out: readonly string[]): string[] {
  const lines = [''];
  // biome-ignore lint/suspicious/noControlCharactersInRegex: matching control characters is the point
  for (const part of out.join('').split(/(\r\u001b\[2K|\n)/u)) {
    if (part === '\n') lines.push('');
    else if (part === '\r\u001b[2K') lines[lines.length - 1] = '';
    else lines[lines.length - 1] += part;
  }
  return lines;
}

describe('lines of logs', () => {
  it('of one log stand alone; of several, each behind its name', async () => {
    const one = writer(false);
    one.logs.expect(['forge'], false);
    one.logs.line({ service: 'forge', text: 'x' });
    await one.logs.flush();
    expect(one.out).toEqual(['x\n']);
    const two = writer(false);
    two.logs.expect(['forge', 'caddy-long'], false);
    two.logs.line({ service: 'forge', text: 'x' });
    two.logs.line({ service: 'caddy-long', text: 'y' });
    await two.logs.flush();
    expect(two.out).toEqual(['<0>forge      | x\n<1>caddy-long | y\n']);
  });

  it('a pipe gets whole lines only', async () => {
    const { logs, out } = writer(false);
    logs.partial('forge', '10%');
    await logs.flush();
    expect(out).toEqual([]);
  });

  it('on a terminal the unfinished line stays below the others, and goes when it is whole', async () => {
    const { logs, out } = writer(true);
    logs.partial('forge', '10%');
    await logs.flush();
    expect(screen(out)).toEqual(['10%']);
    logs.line({ service: 'caddy', text: 'hello' });
    await logs.flush();
    expect(screen(out)).toEqual(['hello', '10%']);
    logs.partial('forge', '90%');
    await logs.flush();
    logs.partial('forge', '');
    logs.line({ service: 'forge', text: '100%' });
    await logs.flush();
    expect(screen(out)).toEqual(['hello', '100%', '']);
  });

  it('what would wrap is cut, since a row that wraps cannot be taken away; wide characters count twice', async () => {
    const { logs, out } = writer(true, 10);
    logs.partial('forge', `\u001b[31m${'漢'.repeat(8)}\u001b[0m`);
    await logs.flush();
    expect(out).toEqual(['\u001b[31m漢漢漢漢\u001b[0m']);
  });

  it('makes room for what is printed beside it', async () => {
    const { logs, out } = writer(true);
    logs.partial('forge', '10%');
    await logs.flush();
    logs.hidePartial();
    out.push('note\n');
    await logs.flush();
    expect(screen(out)).toEqual(['note', '10%']);
  });
});
