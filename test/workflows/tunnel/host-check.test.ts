import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HostCheck, hostsOfPort } from '../../../src/workflows/tunnel/host-check.ts';

const onLoopback = hostsOfPort(null, '127.0.0.1');

/** What passes of the pieces, and what the client is told. */
function pass(pieces: readonly Buffer[]): { passed: string; refusal: string | null } {
  const check = new HostCheck(onLoopback);
  let passed = '';
  for (const piece of pieces) {
    if (check.refusal !== null) break;
    passed += check.inspect(piece).toString('latin1');
  }
  return { passed, refusal: check.refusal?.toString('latin1') ?? null };
}

const whole = (text: string) => pass([Buffer.from(text, 'latin1')]);

function cutAt(text: string, places: readonly number[]): Buffer[] {
  const bytes = Buffer.from(text, 'latin1');
  const sorted = [0, ...places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return sorted.slice(1).map((end, nth) => bytes.subarray(sorted[nth], end));
}

const get = (host: string): string => `GET /sdapi/v1/options HTTP/1.1\r\nAccept: */*\r\nHost: ${host}\r\n\r\n`;

const body = fc.string({ unit: fc.constantFrom('a', '\r', '\n', '0', ' ', ':', 'H'), maxLength: 60 });
const chunked = fc.array(body.filter((text) => text !== '')).map((parts) => {
  const sent = parts.map((part) => `${part.length.toString(16)};x=1\r\n${part}\r\n`).join('');
  return `POST /b HTTP/1.1\r\nhost:LOCALHOST\r\nTransfer-Encoding: chunked\r\n\r\n${sent}0\r\nTrailer: x\r\n\r\n`;
});
const sized = body.map(
  (text) => `POST /a HTTP/1.1\r\nHost: 127.0.0.1:7860\r\nContent-Length: ${text.length}\r\n\r\n${text}`,
);
const request = fc.oneof(
  sized,
  chunked,
  fc.constantFrom(
    get('[::1]:80'),
    get('a.localhost'),
    '\r\nGET / HTTP/1.0\r\n\r\n',
    `GET /\u00e0\u00a0 HTTP/1.1\nHost: localhost.\n\n`,
  ),
);
const cuts = fc.array(fc.nat(2000), { maxLength: 12 });

describe('what a client of a web page sends', () => {
  it('passes byte for byte, however it is cut, while every request names this computer', () => {
    fc.assert(
      fc.property(fc.array(request, { minLength: 1, maxLength: 5 }), cuts, (requests, places) => {
        const text = requests.join('');
        expect(pass(cutAt(text, places))).toEqual({ passed: text, refusal: null });
      }),
    );
  });

  it('ends before the first head that names somebody else, whichever it is and however it is cut', () => {
    const foreign = fc.constantFrom(
      'evil.example:7860',
      'localhost.evil.example',
      '10.0.0.1',
      'localhost, evil',
      'x@localhost',
      '',
    );
    fc.assert(
      fc.property(
        fc.array(request, { maxLength: 4 }),
        foreign,
        fc.array(request, { maxLength: 2 }),
        cuts,
        (before, host, after, places) => {
          const { passed, refusal } = pass(cutAt([...before, get(host), ...after].join(''), places));
          expect(passed).toBe(before.join(''));
          expect(refusal).toMatch(/^HTTP\/1\.1 403 Forbidden\r\n/u);
        },
      ),
    );
  });

  it('may be anything but a request, which no page can send', () => {
    for (const start of [
      '\u0016\u0003\u0001\u0002\u0000',
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
      'PING\r\n',
      '\u0000\u0001',
    ])
      expect(whole(`${start}${get('evil.example')}`).refusal).toBe(null);
  });

  it('is nobody’s business once another protocol was agreed on by a good head', () => {
    const upgrade = 'GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';
    expect(whole(`${upgrade}\u0081\u0005GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n`).refusal).toBe(null);
    expect(whole(upgrade.replace('localhost', 'evil.example')).passed).toBe('');
  });

  it.each([
    ['two hosts', 'GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n'],
    ['none', 'GET / HTTP/1.1\r\nAccept: */*\r\n\r\n'],
    ['a folded line', 'GET / HTTP/1.1\r\nHost: localhost\r\n evil.example\r\n\r\n'],
    ['a space before the colon', 'GET / HTTP/1.1\r\nHost : localhost\r\n\r\n'],
    ['a bare CR', 'GET / HTTP/1.1\r\nHost: localhost\rHost: evil.example\r\n\r\n'],
    ['two lengths', 'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'],
    [
      'a length and chunks',
      'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\na',
    ],
    ['a coding that hides the end', 'POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: x, chunked\r\n\r\n'],
    ['a broken chunk', 'POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nxx\r\n'],
    ['a line that is nearly one', 'GET  / HTTP/1.1\r\nHost: evil.example\r\n\r\n'],
    ['no end', `GET /${'a'.repeat(70_000)}`],
    ['another host in its target', 'GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n'],
    ['a target that is a host', 'CONNECT evil.example:80 HTTP/1.1\r\nHost: localhost\r\n\r\n'],
  ])('is refused with %s', (_what, text) => {
    const { passed, refusal } = whole(text);
    expect(refusal).toMatch(/^HTTP\/1\.1 4\d\d /u);
    expect(text.indexOf(passed)).toBe(0);
    expect(passed).not.toContain('evil');
  });

  it('never throws and never grows, whatever it is', () => {
    const any = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
    const nearly = fc.mixedCase(fc.constantFrom(get('localhost'), get('evil'))).map((text) => Buffer.from(text));
    fc.assert(
      fc.property(fc.array(fc.oneof(any, nearly)), (pieces) => {
        const sent = Buffer.concat(pieces).toString('latin1');
        expect(sent.startsWith(pass(pieces).passed)).toBe(true);
      }),
    );
  });
});

describe('the names of a port', () => {
  it.each([
    [
      null,
      '127.0.0.1',
      ['localhost:7860', '127.0.0.1', '[::1]:1', 'forge.localhost', 'LOCALHOST.'],
      ['0.0.0.0', '192.168.1.5', '[::2]', 'localhost:x', 'mylocalhost'],
    ],
    ['192.168.1.5', '192.168.1.5', ['192.168.1.5:7860', 'localhost'], ['192.168.1.6', 'evil.example']],
    ['0.0.0.0', '::ffff:10.0.0.9', ['10.0.0.9:7860', '0.0.0.0:7860'], ['10.0.0.8', 'evil.example']],
    ['::', '2001:db8::7', ['[2001:db8::7]:1'], ['[2001:db8::8]:1']],
    ['forge.lan', '10.0.0.9', ['forge.lan:7860', 'FORGE.LAN'], ['evil.lan']],
  ])('%s reached at %s', (bound, reached, own, foreign) => {
    const mayBe = hostsOfPort(bound, reached);
    expect(own.filter((host) => !mayBe(host))).toEqual([]);
    expect(foreign.filter(mayBe)).toEqual([]);
  });
});
