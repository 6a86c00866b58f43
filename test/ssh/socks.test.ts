import { connect } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readSocks } from '../../src/ssh/socks.ts';
import { listenAt, TunnelFixture } from '../workflows/tunnel/tunnel-fixture.ts';

const port = (number: number): number[] => [number >> 8, number & 0xff];
const request5 = (type: number, address: number[], number = 80): Buffer =>
  Buffer.from([5, 1, 0, type, ...address, ...port(number)]);
const named = (name: string): number[] => [name.length, ...Buffer.from(name, 'latin1')];

describe('what a client of the proxy says', () => {
  it.each([
    ['an IPv4 address', request5(1, [10, 0, 0, 7]), '10.0.0.7'],
    ['a name', request5(3, named('db.internal')), 'db.internal'],
    ['an IPv6 address', request5(4, [0xfe, 0x80, ...Array(13).fill(0), 1]), 'fe80:0:0:0:0:0:0:1'],
    ['version 4', Buffer.from([4, 1, ...port(80), 10, 0, 0, 7, 0]), '10.0.0.7'],
    ['version 4a', Buffer.from([4, 1, ...port(80), 0, 0, 0, 1, 0x6d, 0x65, 0, ...Buffer.from('db'), 0]), 'db'],
  ])('%s, whole or byte by byte, with more behind it', (_, bytes, host) => {
    const step = readSocks(Buffer.concat([bytes, Buffer.from('GET /')]), true);
    expect(step).toMatchObject({ kind: 'request', request: { target: { host, port: 80 }, length: bytes.length } });
    for (let length = 0; length < bytes.length; length += 1)
      expect(readSocks(bytes.subarray(0, length), true).kind).toBe('more');
  });

  it.each([
    ['a password only', Buffer.from([5, 1, 2]), false, [5, 0xff]],
    ['BIND', Buffer.from([5, 2, 0, 1, 1, 2, 3, 4, 0, 80]), true, [5, 7]],
    ['an unknown kind of address', Buffer.from([5, 1, 0, 9, 1, 2, 3, 4, 0, 80]), true, [5, 8]],
    ['port 0', request5(1, [1, 2, 3, 4], 0), true, [5, 1]],
    ['a name with a line break', request5(3, named('a\nb')), true, [5, 1]],
    ['BIND of version 4', Buffer.from([4, 2, 0, 80, 1, 2, 3, 4, 0]), false, [0, 91]],
    ['HTTP', Buffer.from('GET / HTTP/1.1'), false, []],
  ])('%s is refused in its own words', (_, bytes, hasGreeted, answer) => {
    const step = readSocks(bytes, hasGreeted);
    expect(step.kind).toBe('bad');
    if (step.kind === 'bad') expect([...step.answer].slice(0, 2)).toEqual(answer);
  });

  it('is read or refused, whatever it is', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1100 }), fc.boolean(), (bytes, hasGreeted) => {
        expect(readSocks(Buffer.from(bytes), hasGreeted).kind).toMatch(/more|greeting|request|bad/u);
      }),
    );
  });
});

describe('the proxy', () => {
  it('leads where its client says, and tells when nobody is there', async () => {
    const echo = await listenAt((socket) => socket.pipe(socket));
    const fixture = await TunnelFixture.open();
    await fixture.tunnel.listenForSocks({ kind: 'tcp', address: null, port: 0 }, { autoPort: false });
    await fixture.start();
    const { forward } = await fixture.until('ready');
    expect(forward.url).toMatch(/^socks5h:\/\/localhost:\d+$/u);
    const proxy = forward.end.kind === 'tcp' ? forward.end.port : 0;
    const talk = (target: number): Promise<number[]> =>
      new Promise((resolve) => {
        const socket = connect(proxy, '127.0.0.1');
        const got: number[] = [];
        socket.on('error', () => {});
        socket.on('data', (chunk) => {
          got.push(...chunk);
          if (got.length >= 2 + 10 + 4 || (got.length >= 2 + 10 && got[3] !== 0)) {
            socket.destroy();
            resolve(got);
          }
        });
        // All at once: what follows the request must not be lost.
        socket.write(Buffer.concat([Buffer.from([5, 1, 0]), request5(1, [127, 0, 0, 1], target), Buffer.from('ping')]));
      });
    expect(await talk(echo.port)).toEqual([5, 0, 5, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...Buffer.from('ping')]);
    expect((await talk(1)).slice(0, 4)).toEqual([5, 0, 5, 5]);
    echo.close();
    fixture.close();
  });
});
