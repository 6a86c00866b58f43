import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cleanLines, cleanLogLine, cleanRemoteLine, safeLines } from '../../src/instance/clean-log.ts';
import { createRedactor } from '../../src/secrets/known-values.ts';
import { redactSecrets } from '../../src/secrets/redact.ts';
import { isSecretName } from '../../src/secrets/secret-name.ts';

describe('log lines', () => {
  it('become safe lines: colours, progress bars, titles, bells and direction marks are gone', () => {
    expect(cleanLines('\u001b[32mgreen\u001b[0m\n  1%\r 50%\r100%\r\n\n\u001b]0;title\u0007x\u0007\u202ey\n')).toEqual([
      'green',
      '100%',
      'x y',
    ]);
  });

  it('no control character survives', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(cleanRemoteLine(text)).not.toMatch(/[\p{Cc}\p{Cf}\u2028\u2029]/u);
        expect(cleanLogLine(text).replaceAll('\t', '')).not.toMatch(/[\p{Cc}\p{Cf}\u2028\u2029]/u);
      }),
    );
  });

  it('with colours, nothing but colours survives, and the terminal is left as it was', () => {
    const pieces = [
      '\u001b[31m',
      '\u001b[0m',
      '\u001b[8m',
      '\u001b[2J',
      '\u001b]0;x\u0007',
      '\u001b[38;5;8m',
      '\u001b',
      'a',
      '\r',
      '\t',
    ];
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.constantFrom(...pieces), fc.string()), { maxLength: 12 }), (parts) => {
        const shown = cleanLogLine(parts.join(''), { color: true });
        // biome-ignore lint/suspicious/noControlCharactersInRegex: matching control characters is the point
        const rest = shown.replace(/\u001b\[[\d;]*m/gu, '').replaceAll('\t', '');
        expect(rest).not.toMatch(/[\p{Cc}\p{Cf}]/u);
        expect(shown).not.toContain('\u001b[8m');
        if (shown.includes('\u001b')) expect(shown.endsWith('\u001b[0m')).toBe(true);
      }),
    );
    expect(cleanLogLine('  \u001b[1;32mok\u001b[0m \u001b[5mblink', { color: true })).toBe(
      '  \u001b[1;32mok\u001b[0m blink\u001b[0m',
    );
  });

  it('keep their indentation and tabs; a line end of Windows is none of their business', () => {
    expect(cleanLogLine('    File "x.py", line 3\r')).toBe('    File "x.py", line 3');
    expect(cleanLogLine('a\tb  ')).toBe('a\tb');
  });

  it('are as many as before', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' }).map((text) => text.replaceAll('\n', ''))), (lines) => {
        expect(safeLines(`${lines.map((line) => `${line}\n`).join('')}`, redactSecrets)).toHaveLength(lines.length);
      }),
    );
  });

  it('a line of 64 kB takes no time, whatever it is made of', () => {
    const units = [
      'a',
      'token',
      '-',
      '--a',
      'a://',
      '?key',
      ':',
      '"',
      "'",
      'eyJ',
      '$2a$10$',
      'Bearer ',
      '\u001b[',
      '\u001b]',
      '\r',
      ' ',
    ];
    for (const unit of units) {
      const startedMs = performance.now();
      cleanLogLine(unit.repeat(65_536 / unit.length), { color: true });
      expect(performance.now() - startedMs, unit).toBeLessThan(3000);
    }
  });
});

describe('what is redacted', () => {
  const secret = 's3cr3tVALUE99';
  it.each([
    `HF_TOKEN=${secret}`,
    `export CIVITAI_TOKEN="${secret}"`,
    `{"token":"${secret}"}`,
    `{"X-Api-Key": ["${secret}"]}`,
    `"Authorization":["Bearer ${secret}"]`,
    `Authorization: Basic ${secret}`,
    `GET /?token=${secret}&x=1`,
    `C.123_auth_token=${secret}; Path=/`,
    `https://me:${secret}@github.com/x/y`,
    `https://:${secret}@host/`,
    `python launch.py --gradio-auth me:${secret} --port 17860`,
    `WEB_PASSWORD: ${secret}`,
    `hf_${secret}${'A'.repeat(24)}`,
    `wget https://x.example/f?X-Amz-Signature=${secret}&a=1`,
    `huggingface-cli login --token ${secret} --add-to-git-credential`,
    `\u001b[33mHF_TO\u001b[0mKEN=${secret}`,
    `{"jwt": "eyJhbGciOiJIUzI1NiJ9.eyJ${secret}.${secret}"}`,
    `ghp_${secret}`,
    `password hash $2a$14$${'a'.repeat(30)}${secret}`,
  ])('%s', (line) => {
    expect(cleanRemoteLine(line)).not.toContain(secret);
    expect(cleanRemoteLine(line)).toContain('[redacted]');
  });

  it.each([
    'Loading tokenizer from disk',
    'Running on local URL: http://127.0.0.1:17860',
    'Model loaded in 3.2s (load weights: 1.0s, forge: 2.2s).',
    'git clone https://github.com/x/y.git',
  ])('not: %s', (line) => expect(cleanRemoteLine(line)).toBe(line));

  it('twice is as once', () => {
    // Made of what the patterns look for, and of what they leave.
    const words = `token api_key password secret auth --token --gradio-auth Bearer Basic hf_ eyJ AKIA x:// ?key= &token=
      [ ] [redacted] redacted : = @ / " ' , ; . $2a$14$ abcdefgh 0123456789abcdef0123456789abcdef`.split(/\s+/u);
    const piece = fc.oneof(fc.constantFrom(...words, ' ', '\n'), fc.string({ maxLength: 3 }));
    const text = fc.array(piece, { maxLength: 14 }).map((pieces) => pieces.join(''));
    fc.assert(
      fc.property(text, (line) => {
        const once = redactSecrets(line);
        expect(redactSecrets(once)).toBe(once);
      }),
      { numRuns: Number(process.env['REDACT_RUNS'] ?? 5000) },
    );
    for (const line of ['token=[a]', 'x://token:"b/c"@h', 'password=[redacted]more, x'])
      expect(redactSecrets(redactSecrets(line))).toBe(redactSecrets(line));
    expect(redactSecrets('password=[redacted]more, x')).toBe('password=[redacted], x');
  });

  it('keys that are only digits and letters, beside the word that says so', () => {
    const key = '0123456789abcdef'.repeat(4);
    expect(redactSecrets(`vastai set api-key ${key}`)).toBe('vastai set api-key [redacted]');
    expect(redactSecrets(`civitai download with ${key.slice(0, 32)}`)).not.toContain('abcdef');
    expect(redactSecrets(`Calculating sha256 for x.safetensors: ${key}`)).toContain(key);
  });

  it('a colour inside a secret hides it from nobody', () => {
    expect(cleanLogLine(`hf_\u001b[31m${'abc4'.repeat(9)}`, { color: true })).toBe('[redacted]');
  });

  it('values that are known, also as they stand in addresses', () => {
    const redact = createRedactor(['p@ss/word', 'other', null, '1', 'p@ss/word-longer']);
    expect(redact('a p@ss/word b p%40ss%2Fword c p@ss/word-longer d 1 other')).toBe(
      'a [redacted] b [redacted] c [redacted] d 1 other',
    );
    fc.assert(
      fc.property(fc.string({ minLength: 6, unit: 'binary' }), fc.string(), (value, text) => {
        const trimmed = value.trim();
        fc.pre(trimmed.length >= 6 && !'[redacted]'.includes(trimmed));
        expect(createRedactor([value])(`x${trimmed}${text}`)).not.toContain(trimmed);
      }),
    );
  });

  it('names of variables that hold secrets are known', () => {
    const names = ['HF_TOKEN', 'WEB_PASSWORD', 'CONTAINER_API_KEY', 'APIKEY', 'AWS_SECRET_ACCESS_KEY', 'MY_AUTH'];
    expect(names.filter(isSecretName)).toEqual(names);
    expect(['WORKSPACE', 'ENABLE_HTTPS', 'AUTH_EXCLUDE', 'PORTAL_CONFIG'].filter(isSecretName)).toEqual([]);
  });
});
