import fc from 'fast-check';
import ssh2 from 'ssh2';
import { describe, expect, it } from 'vitest';
import { isPublicKey, type NoPublicKey, type PublicKey, parsePublicKey } from '../../src/ssh/public-key.ts';
import { newKey } from './support/loopback-sshd.ts';

const field = (part: Buffer | string): Buffer => {
  const bytes = Buffer.from(part);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
};
const lineOf = (type: string, ...parts: (Buffer | string)[]): string =>
  `${type} ${Buffer.concat([type, ...parts].map(field)).toString('base64')}`;
const point = (bytes: number): Buffer => Buffer.concat([Buffer.from([4]), Buffer.alloc(bytes - 1, 7)]);

const ed25519 = newKey();
const [type = '', base64 = ''] = ed25519.public.split(' ');
const KEYS = {
  'ssh-ed25519': `${type} ${base64}`,
  'ssh-rsa': lineOf('ssh-rsa', Buffer.from([1, 0, 1]), Buffer.concat([Buffer.from([0]), Buffer.alloc(256, 0xcd)])),
  'ecdsa-sha2-nistp256': lineOf('ecdsa-sha2-nistp256', 'nistp256', point(65)),
  'ecdsa-sha2-nistp521': lineOf('ecdsa-sha2-nistp521', 'nistp521', point(133)),
  'sk-ssh-ed25519@openssh.com': lineOf('sk-ssh-ed25519@openssh.com', Buffer.alloc(32, 1), 'ssh:'),
  'sk-ecdsa-sha2-nistp256@openssh.com': lineOf('sk-ecdsa-sha2-nistp256@openssh.com', 'nistp256', point(65), 'ssh:'),
};
const read = (text: string): PublicKey => {
  const key = parsePublicKey(text);
  if (!isPublicKey(key)) throw new Error(key.problem);
  return key;
};
const problem = (text: string): NoPublicKey => {
  const key = parsePublicKey(text);
  if (isPublicKey(key)) throw new Error(`taken as ${key.line}`);
  return key;
};

describe('a public key', () => {
  it.each(Object.entries(KEYS))('of the kind %s is read, with or without a comment', (kind, core) => {
    expect(read(core)).toMatchObject({ type: kind, core, line: core, comment: null });
    expect(read(`# mine\n\n  ${core}\t me@home \r\n`)).toMatchObject({
      core,
      line: `${core} me@home`,
      comment: 'me@home',
    });
    expect(read(core).fingerprint).toMatch(/^SHA256:[A-Za-z0-9+/]{43}$/u);
  });

  it('is the same key as ssh2 sees it', () => {
    const parsed = ssh2.utils.parseKey(ed25519.public) as ssh2.ParsedKey;
    expect(read(ed25519.public).core.split(' ')[1]).toBe(parsed.getPublicSSH().toString('base64'));
  });

  it('is read from the SSH2 format, as PuTTY writes it', () => {
    const body = base64.match(/.{1,30}/gu)?.join('\r\n');
    const text = `---- BEGIN SSH2 PUBLIC KEY ----\r\nComment: "me \\\r\nat home"\r\n${body}\r\n---- END SSH2 PUBLIC KEY ----\r\n`;
    expect(read(text)).toMatchObject({
      core: KEYS['ssh-ed25519'],
      comment: 'me at home',
      line: expect.stringContaining(' me-at-home'),
    });
  });

  it.each([
    ['nothing', '', /empty/u],
    ['a comment alone', '# x\n', /empty/u],
    ['two keys', `${KEYS['ssh-rsa']}\n${KEYS['ssh-ed25519']}`, /2 lines/u],
    ['a key that a mail has wrapped', `${type} ${base64.slice(0, 30)}\n${base64.slice(30)}`, /2 lines/u],
    ['a name of a file', '~/.ssh/id_rsa.pub', /not a public key/u],
    ['options in front', `command="rm -rf /",no-pty ${KEYS['ssh-ed25519']}`, /options/u],
    ['another type in front', KEYS['ssh-ed25519'].replace('ssh-ed25519', 'ssh-rsa'), /something else inside/u],
    ['a key that is cut off', `${type} ${base64.slice(0, 40)}`, /cut off/u],
    [
      'something behind the key',
      `${type} ${Buffer.concat([Buffer.from(base64, 'base64'), Buffer.from('x')]).toString('base64')}`,
      /cut off/u,
    ],
    ['a field too many', lineOf('ssh-ed25519', Buffer.alloc(32, 1), 'more'), /lengths/u],
    ['a short ed25519', lineOf('ssh-ed25519', Buffer.alloc(31, 1)), /lengths/u],
    ['an RSA key of 512 bits', lineOf('ssh-rsa', Buffer.from([3]), Buffer.alloc(64, 0xcd)), /too short/u],
    ['a point of another curve', lineOf('ecdsa-sha2-nistp256', 'nistp384', point(65)), /lengths/u],
    ['a compressed point', lineOf('ecdsa-sha2-nistp256', 'nistp256', Buffer.alloc(33, 2)), /lengths/u],
    ['a curve that nobody has', lineOf('ecdsa-sha2-nistp999', 'nistp999', point(65)), /not a kind of key/u],
    ['a DSA key', lineOf('ssh-dss', 'x', 'y'), /DSA/u],
    ['a certificate', lineOf('ssh-ed25519-cert-v01@openssh.com', 'x'), /certificate/u],
    ['base64 of the web', `${type} ${base64.slice(0, 20)}-_${base64.slice(22)}`, /base64/u],
    ['too much', `${type} ${'A'.repeat(20_000)}`, /too long/u],
    [
      'a length that reaches beyond all memory',
      `${type} ${Buffer.from('ffffffff00', 'hex').toString('base64')}`,
      /cut off/u,
    ],
  ])('is not %s', (_what, text, reason) => {
    expect(problem(text)).toMatchObject({ isPrivate: false, problem: expect.stringMatching(reason) });
  });

  it.each([
    ['in a file', ed25519.private],
    ['after a public one', `${KEYS['ssh-rsa']}\n${ed25519.private}`],
    ['of PuTTY', 'PuTTY-User-Key-File-3: ssh-ed25519\n'],
    ['encrypted', '-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIF\n'],
    ['without its armour', ed25519.private.split('\n').slice(1, -2).join('')],
    ['behind a megabyte of nothing', `${'\n'.repeat(1_000_000)}${ed25519.private}`],
  ])('is not a private one %s', (_what, text) => {
    expect(problem(text)).toEqual({ isPrivate: true, problem: 'it is a private key' });
  });

  it('never throws, and what it takes is one clean line that reads back as itself', () => {
    const pieces = fc.constantFrom(
      ...Object.values(KEYS),
      type,
      base64,
      ' ',
      '\t',
      '\n',
      '\0',
      '"',
      "'",
      '$(id)',
      '=',
      '\u202e',
      '😀',
    );
    const texts = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 200 }),
      fc.array(pieces, { maxLength: 8 }).map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(texts, (text) => {
        const key = parsePublicKey(text);
        if (!isPublicKey(key)) return key.problem !== '';
        expect(key.line).toMatch(/^[\w@.-]+ [A-Za-z0-9+/=]+( [\w@.+-]+)?$/u);
        return read(key.line).core === key.core;
      }),
      { numRuns: 150 },
    );
  });

  it('a changed byte is another key or none', () => {
    const blob = Buffer.from(base64, 'base64');
    fc.assert(
      fc.property(fc.nat(blob.length - 1), fc.integer({ min: 1, max: 255 }), (at, by) => {
        const changed = Buffer.from(blob);
        changed[at] = (changed[at] ?? 0) ^ by;
        const key = parsePublicKey(`${type} ${changed.toString('base64')}`);
        return !isPublicKey(key) || key.core !== KEYS['ssh-ed25519'];
      }),
      { numRuns: 200 },
    );
  });

  it.each(['a b', '"; rm -rf / #', '$(reboot)', '\u001b]0;title\u0007', '😀'.repeat(300), '-oProxyCommand=x'])(
    'the comment %j is registered without what a shell or a terminal would read',
    (comment) => {
      const { line } = read(`${KEYS['ssh-ed25519']} ${comment}`);
      expect(line.slice(KEYS['ssh-ed25519'].length)).toMatch(/^( [\w@.+][\w@.+-]{0,99})?$/u);
    },
  );
});
