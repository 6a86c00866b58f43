import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadContexts } from '../../src/config/contexts.ts';
import { keyNotMeant, resolveCredential } from '../../src/config/credentials.ts';
import { resolvePaths } from '../../src/config/paths.ts';
import { ForgeError } from '../../src/errors.ts';
import { checkoutScript, parseCheckout } from '../../src/instance/checkout.ts';
import { parseFreeze, planRestore } from '../../src/instance/freeze.ts';
import { lintScript } from '../../src/instance/provisioning-lint.ts';
import { parseHistory } from '../../src/instance/upgrade-history.ts';
import { KnownValues } from '../../src/secrets/known-values.ts';
import { isSecret, redactAddress, redactSecrets, secretParts } from '../../src/secrets/redact.ts';
import { isSecretName } from '../../src/secrets/secret-name.ts';
import { quoted, rememberSent, rememberText, rememberVariables, withoutSent } from '../../src/secrets/sent.ts';
import { VastClient } from '../../src/vast/client.ts';
import { createVast, type Vast } from '../../src/vast/vast.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { ScriptedServer } from '../support/scripted-server.ts';

const ALNUM = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';
const keyOf = (length: number) => fc.string({ unit: fc.constantFrom(...ALNUM), minLength: length, maxLength: length });

describe('names', () => {
  const secret =
    `HF_TOKEN HF_TOKEN2 MYPASS DB_PASS db-pass MY_PASSWORD PASSWD SSH_PASSPHRASE DB_PWD OPENAI_KEY OPENAIKEY apiKey
    API_KEYS CIVITAI_TOKEN ACCESS_TOKENS CLIENT_SECRET GITHUB_PAT SESSION_COOKIE COOKIE AWS_SECRET_ACCESS_KEY AWS_ACCESS_KEY_ID
    GOOGLE_CREDENTIALS BASIC_AUTH MY_AUTH AUTHORIZATION SESSION SESSION_ID PRIVATE_KEY SIGNING_KEY_PEM SENTRY_DSN WEBHOOK_URL
    SLACK_WEBHOOK CONTAINER_API_KEY OPEN_BUTTON_TOKEN JUPYTER_TOKEN hfToken --web-password ENCRYPTION_KEY_B64 CONNECTION_STRING
    instance_api_key WANDB_APIKEY`.split(/\s+/u);
  const open =
    `PATH PWD OLDPWD INIT_PWD KEYBOARD MONKEY HOTKEY AUTHOR AUTHORS PASSTHROUGH PASS_THROUGH TOKENIZERS_PARALLELISM
    HF_HUB_ENABLE_HF_TRANSFER HF_HUB_DISABLE_IMPLICIT_TOKEN HF_HOME MAX_TOKENS max_new_tokens NUM_TOKENS COMPASS BYPASS WORKSPACE
    ENABLE_AUTH AUTH_EXCLUDE WEB_ENABLE_AUTH PORTAL_CONFIG SSH_AUTH_SOCK XDG_SESSION_TYPE XDG_SESSION_ID PUBLIC_KEY SSH_PUBKEY SORT_KEY
    KEY_BINDINGS HF_TOKEN_PATH PRIVATE_IP OPEN_BUTTON_PORT FORGE_ARGS PATCH PATTERN SECRETARY TURKEY token_env TEMPLATE`.split(
      /\s+/u,
    );

  it('of secrets are known, however they are written', () => {
    expect(secret.filter((name) => !isSecretName(name))).toEqual([]);
    expect(secret.filter((name) => !isSecretName(name.toLowerCase()) && !/[a-z][A-Z]/u.test(name))).toEqual([]);
  });

  it('that only look like one are none', () => expect(open.filter(isSecretName)).toEqual([]));

  it('what stands before a name changes nothing, unless it says that it is a switch', () => {
    const words = fc.constantFrom('MY', 'APP', 'X', 'FORGE', 'PROD', 'V');
    fc.assert(
      fc.property(
        fc.array(words, { maxLength: 3 }),
        fc.constantFrom('TOKEN', 'PASS', 'API_KEY', 'SECRET', 'PAT'),
        (before, name) => {
          expect(isSecretName([...before, name].join('_'))).toBe(true);
          expect(isSecretName([...before, name].join('-').toLowerCase())).toBe(true);
        },
      ),
    );
  });
});

describe('values', () => {
  it.each([
    ['hf_', 34],
    ['ghp_', 36],
    ['github_pat_', 40],
    ['glpat-', 20],
    ['xoxb-', 24],
    ['AIza', 35],
    ['npm_', 36],
  ])('%s and what follows is a secret by its looks, in any text', (prefix, length) => {
    fc.assert(
      fc.property(keyOf(length), fc.constantFrom(' ', '"', "'", '=', '(', '/', ',', 'x: ', '\n'), (key, before) => {
        expect(redactSecrets(`said${before}${prefix}${key} end`)).not.toContain(key);
        expect(isSecret('X', `${prefix}${key}`)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it.each([
    `sk-${'a1b2'.repeat(8)}`,
    'AKIAIOSFODNN7EXAMPLE',
    'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJlLXg',
    '-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA\n-----END OPENSSH PRIVATE KEY-----',
    '0123456789abcdef'.repeat(4),
    'wJalrXUtnFEMI7K7MDENGbPxRfiCY123',
    'https://me:p4ssw0rd@host.invalid/x.git',
    'https://hooks.slack.com/services/T000/B000/XXXXXXXXXXXX',
    'https://host.invalid/x?token=abcdefgh',
  ])('%s', (value) => expect(isSecret('SETTING', value)).toBe(true));

  it.each([
    ['REF', '1a260c1405f31311515399700001ae5595afc026'],
    ['SETTING', '1a260c1405f31311515399700001ae5595afc026'],
    ['MODEL_SHA256', '0123456789abcdef'.repeat(4)],
    ['ID', '123e4567-e89b-12d3-a456-426614174000'],
    ['IMAGE', 'vastai/pytorch:2.9.1-cu128-cuda-12.9-mini-py311-2026-08-21'],
    ['IMAGE_TAG', 'pytorch-cu128-cuda-mini-py311-2026-08-21'],
    ['WHEN', '2026-08-21T12:30:00Z'],
    ['WHERE', '/workspace/models/Stable-diffusion/sd_xl_base_1024_fp16'],
    ['WHERE', 'models/Stable-diffusion/sd_xl_base_1024_fp16'],
    ['VERSION', '2.9.1+cu128.post20260821.gabcdef0123'],
    ['FN', 'hf_hub_download'],
    ['FN', 'hf_raise_for_status_and_more_of_it'],
    ['ENABLE', 'true'],
    ['USE_TOKEN', 'no'],
  ])('not: %s=%s', (name, value) => expect(isSecret(name, value)).toBe(false));

  it('functions of Hugging Face keep their names in a log', () => {
    const line =
      'File "x.py", in hf_hub_download: hf_raise_for_status(response); hf_resolve_url hf_downloads=3 tokens: 512';
    expect(redactSecrets(line)).toBe(line);
  });

  it('a password is taken out up to the last "@"; a name for ssh stays', () => {
    expect(redactSecrets('https://u:p@ss@host/x')).toBe('https://[redacted]@host/x');
    expect(redactSecrets('git+https://oauth2:tok@host/x')).toBe('git+https://[redacted]@host/x');
    expect(redactSecrets('https://sometokenwithoutcolon@host/x')).toBe('https://[redacted]@host/x');
    expect(redactSecrets('ssh://git@host/x git@host:x')).toBe('ssh://git@host/x git@host:x');
    expect(redactAddress('https://host/x.git?private=abc')).toBe('https://host/x.git?…');
  });
});

describe('what was sent', () => {
  const tricky = fc.string({ minLength: 8, maxLength: 40, unit: fc.constantFrom(...`${ALNUM}"'\\/ &=+%é🙂\n@`) });

  it('is hidden as it is, in JSON, in an address, for a shell, in base64, and in part', () => {
    fc.assert(
      fc.property(tricky, (typed) => {
        const value = typed.trim();
        fc.pre(value.length >= 8 && !'[redacted]'.includes(value));
        const known = new KnownValues([value]);
        const forms = [
          value,
          JSON.stringify(value),
          JSON.stringify(JSON.stringify(value)),
          encodeURIComponent(value.replace(/\p{Surrogate}/gu, '\ufffd')),
          Buffer.from(value).toString('base64'),
        ];
        for (const form of forms) expect(known.hide(`a: ${form} z`)).toContain('[redacted]');
        for (const form of forms.slice(0, 1)) expect(known.hide(`a: ${form} z`)).not.toContain(value);
        const beginning = value.slice(0, Math.max(Math.ceil(value.length * 0.75), 8));
        expect(known.hide(`invalid: ${beginning}`)).not.toContain(beginning);
      }),
      { numRuns: 300 },
    );
  });

  it('of an address only its password is, of a path nothing', () => {
    expect(secretParts('REPO', 'https://me:hunter22@github.com/org/repo')).toEqual(['me:hunter22', 'hunter22']);
    expect(secretParts('DATA_DIRECTORY', '/workspace/')).toEqual([]);
  });

  it('is in no error, wherever that was made', () => {
    rememberSent('sent-by-this-test-1');
    rememberVariables([['A_PASS', 'sent-by-this-test-2']]);
    rememberText("export MY_TOKEN='sent-by-this-test-3'\n");
    const words = 'sent-by-this-test-1 sent-by-this-test-2 sent-by-this-test-3';
    const error = new ForgeError(words, { code: 'X', exit: 1, hint: words, details: { deep: [{ words }] } });
    expect(JSON.stringify([error.message, error.hint, error.details])).not.toMatch(/test-[123]/u);
    expect(withoutSent(words) + quoted(words)).not.toMatch(/test-[123]/u);
  });
});

describe('an API that quotes what it was sent', () => {
  const env = { T_TOKEN: 'plainsecretvalue4', INNOCENT: 'a word "of" mine/1', MYPASS: 'p4ssw', '-p 7860:7860': '1' };
  const request = {
    offerId: 7,
    label: 'x',
    diskGb: 50,
    env,
    runtype: 'ssh',
    image: 'i',
    onstart: 'echo my-own-start-script-1',
  };

  async function refusal(msg: (body: string) => string): Promise<{ text: string; wire: string }> {
    const server = new ScriptedServer(({ body }) => ({
      status: 400,
      body: { success: false, error: 'invalid_args', msg: msg(JSON.stringify(body)) },
    }));
    const wire: unknown[] = [];
    const clock = new FakeClock();
    const client = new VastClient({
      baseUrl: await server.listen(),
      apiKey: () => 'the-key-of-the-account-1',
      clock,
      userAgent: 'test',
      onWire: (entry) => wire.push(entry),
    });
    const vast: Vast = createVast(client, clock);
    const error = await vast.instances.create(request).then(
      () => new Error('it was taken'),
      (thrown: Error) => thrown,
    );
    await vast.close();
    await server.close();
    expect(error).toBeInstanceOf(ForgeError);
    const { message, details, hint } = error as ForgeError;
    return {
      text: JSON.stringify([message, hint, details, (error as { facts?: unknown }).facts]),
      wire: JSON.stringify(wire),
    };
  }

  it.each([
    ['as JSON', (body: string) => `invalid env: ${body}`],
    ['as JSON in JSON', (body: string) => JSON.stringify(body)],
    ['as an address', (body: string) => encodeURIComponent(body)],
    ['cut in a value', (body: string) => body.slice(0, body.indexOf('plainsecretvalue4') + 13)],
    ['with the key', () => 'bad key the-key-of-the-account-1 (the-key-of-the-acc…)'],
  ])('%s', async (_, msg) => {
    const { text, wire } = await refusal(msg);
    for (const secret of ['plainsecret', 'of\\" mine', 'p4ssw', 'own-start-script', 'of-the-account'])
      expect(`${text}${wire}`).not.toContain(secret);
    expect(text).toContain('[redacted]');
  });
});

describe('what is kept of a machine', () => {
  it('a freeze: no password, and nothing is installed from an address without its own', () => {
    const freeze = parseFreeze(
      '-e git+https://u:tok3n@h.invalid/x.git@abc#egg=x\ny @ https://u:tok3n@h.invalid/y.whl\nz==1\n',
    );
    expect(JSON.stringify(freeze)).not.toContain('tok3n');
    const { install, impossible } = planRestore(freeze, []);
    expect(install.map(({ line }) => line)).toEqual(['z==1']);
    expect(impossible.map(({ reason }) => reason).join()).toContain('password');
  });

  it('the remote of a checkout', () => {
    const fact = (name: string, value: string): string => `${name}=${Buffer.from(value).toString('base64')}\n`;
    const found = parseCheckout(
      fact('head', 'a'.repeat(40)) + fact('remote_url', 'https://u:pw12345@h.invalid/x?k=pw12345'),
    );
    expect(found?.remoteUrl).toBe('https://[redacted]@h.invalid/x?…');
    const script = checkoutScript({
      ref: null,
      pull: null,
      remoteUrl: found?.remoteUrl ?? null,
      remoteOfRun: 'upgrade-0123abcd',
    });
    expect(script).toContain('/upgrade-0123abcd"');
    expect(script).not.toContain('[redacted]');
  });

  it('the history of an earlier forgectl', () => {
    const sha = 'a'.repeat(40);
    const entry = {
      run: 'upgrade-0123abcd',
      at: '2026-01-02T03:04:05Z',
      from: { sha, subject: 'one', branch: 'main' },
      to: { sha, subject: 'two', name: 'main' },
      result: 'done',
      remoteUrl: 'https://u:pw12345@h/x',
      remoteBefore: null,
    };
    const line = `upgrade-1 ${Buffer.from(JSON.stringify(entry)).toString('base64')}\n`;
    expect(parseHistory(line)[0]?.remoteUrl).toBe('https://[redacted]@h/x');
  });

  it.each([
    'hf_hub_download "$REPO" && hf_download_sem_$$',
    'when: hf_token_valid',
    'HF_TOKEN=your-token-here',
    'HF_TOKEN="$MINE"',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: bash's, not ours
    'git clone https://oauth2:${TOKEN}@h.invalid/x',
    'curl --token "$T" https://h.invalid/',
    '  hf_downloads: 3',
    'echo "Basic installation is done"',
    'GPG_KEY=/usr/share/keyrings/x.gpg',
  ])('a script with this has no secret in it: %s', (line) =>
    expect(lintScript(`#!/bin/bash\nset -e\n${line}\n`).filter(({ rule }) => rule === 'secret')).toEqual([]),
  );

  it.each(['MYPASS=correcthorse', 'export OPENAI_KEY="abcd1234efgh"', `x hf_${'a1'.repeat(17)}`])(
    'and with this it has: %s',
    (line) => {
      const [finding, ...more] = lintScript(`#!/bin/bash\nset -e\n${line}\n`).filter(({ rule }) => rule === 'secret');
      expect(finding?.line).toBe(3);
      expect(more).toEqual([]);
    },
  );
});

describe('where the key goes', () => {
  const paths = resolvePaths({ HOME: '/nonexistent' });
  const credential = (context: string, env: NodeJS.ProcessEnv) =>
    resolveCredential({ context, paths, env })?.source ?? null;

  it.each(['http://192.0.2.2:1', 'http://vast.ai', 'ftp://x', 'https://u@h', 'https://:pw12345678@h', 'nonsense'])(
    'not to VAST_URL=%s',
    (url) => {
      const contexts = loadContexts({ paths, env: { VAST_URL: url } });
      expect(() => contexts.usableUrl('vast')).toThrow(/VAST_URL/u);
      expect(() => contexts.usableUrl('vast')).not.toThrow(/pw12345678/u);
      expect(() => contexts.refuseAddition('mine', url)).toThrow('cannot be the API address');
    },
  );

  it.each(['https://h.invalid', 'http://127.0.0.1:1', 'http://localhost:1', 'http://[::1]:1'])('but to %s', (url) =>
    expect(loadContexts({ paths, env: { VAST_URL: url } }).usableUrl('vast')).toBe(url),
  );

  it('a variable is for vast, or for the context that is named beside it', () => {
    const key = { FORGECTL_API_KEY: 'k1234567', VAST_API_KEY: 'k7654321', CONTAINER_API_KEY: 'c1234567' };
    expect(credential('vast', key)).toBe('environment FORGECTL_API_KEY');
    expect(credential('other', key)).toBeNull();
    expect(credential('sandbox', key)).toBeNull();
    expect(credential('other', { ...key, FORGECTL_CONTEXT: 'other' })).toBe('environment FORGECTL_API_KEY');
    expect(credential('vast', { ...key, FORGECTL_CONTEXT: 'other' })).toBe('environment VAST_API_KEY');
    expect(keyNotMeant('other', key)).toContain('FORGECTL_CONTEXT');
    expect(keyNotMeant('vast', key)).toBeNull();
  });

  it('not over http to another computer, and a result is not read over it', async () => {
    const options = { apiKey: () => 'k', clock: new FakeClock(), userAgent: 'test' };
    expect(() => new VastClient({ ...options, baseUrl: 'http://h.invalid' })).toThrow('https');
    const here = new VastClient({ ...options, baseUrl: 'http://127.0.0.1:1' });
    const there = new VastClient({ ...options, baseUrl: 'https://h.invalid' });
    for (const client of [here, there]) await expect(client.fetchResult('http://h.invalid/x')).rejects.toThrow('https');
    await expect(there.fetchResult('http://127.0.0.1:1/x')).rejects.toThrow('https');
    await expect(here.fetchResult('http://127.0.0.1:1/x')).resolves.toBeNull();
    await Promise.all([here.close(), there.close()]);
  });
});
