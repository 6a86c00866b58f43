import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { readWishes } from '../../src/cli/provisioning-wishes.ts';
import { bringScript, carryScript } from '../../src/instance/carried-script.ts';
import { lintManifest } from '../../src/instance/manifest-lint.ts';
import { lintScript, urlsIn } from '../../src/instance/provisioning-lint.ts';
import { pipProblem, provisioningManifest, provisioningScript } from '../../src/instance/provisioning-script.ts';
import { parseProvisioningState, provisioningStateScript } from '../../src/instance/provisioning-state.ts';
import { runScript } from '../../src/instance/remote-script.ts';
import { MachineRoot } from './support/machine-root.ts';

// biome-ignore-start lint/suspicious/noTemplateCurlyInString: bash's, not ours
const none = { models: [], extensions: [], pip: [], apt: [], tokens: [] };

/** Programs that only write down with which words they were called. */
class Stubs {
  readonly path = mkdtempSync(join(tmpdir(), 'forge stubs '));
  constructor() {
    const note = 'printf "%s\\n" "$(basename "$0")" "$@" >>"$CALLS"; printf "\\n" >>"$CALLS"';
    for (const name of ['git', 'uv', 'dpkg', 'apt-get', 'curl']) this.tool(name, note);
    this.tool('dpkg', 'exit 1');
    // What they leave behind: the last word of git, --output of curl.
    this.tool('git', `${note}; mkdir -p "\${@: -1}"`);
    this.tool(
      'curl',
      `${note}; cat >>"$CALLS.stdin"; while [ $# -gt 1 ]; do [ "$1" = --output ] && echo x >"$2"; shift; done`,
    );
    mkdirSync(join(this.path, 'venv', 'bin'), { recursive: true });
    writeFileSync(join(this.path, 'venv', 'bin', 'activate'), 'echo activated\n');
    this.tool('venv/bin/python', 'echo torch==2.9.1+cu128');
  }

  tool(name: string, text: string): void {
    writeFileSync(join(this.path, name), `#!/bin/bash\n${text}\n`, { mode: 0o755 });
  }

  run(script: string, env: NodeJS.ProcessEnv = {}) {
    return spawnSync('bash', ['-s'], {
      input: script,
      cwd: this.path,
      encoding: 'utf8',
      env: {
        PATH: `${this.path}:${process.env['PATH']}`,
        CALLS: join(this.path, 'calls'),
        WORKSPACE: `${join(this.path, 'work space')}/`,
        VIRTUAL_ENV: join(this.path, 'venv'),
        RETRY_PAUSE: '0',
        ...env,
      },
    });
  }

  calls(): string[][] {
    const file = join(this.path, 'calls');
    const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
    return text
      .split('\n\n')
      .filter(Boolean)
      .map((call) => call.split('\n'));
  }

  reset(): void {
    for (const name of ['calls', 'calls.stdin', 'work space'])
      rmSync(join(this.path, name), { recursive: true, force: true });
  }
}

describe('a script that was written from answers', () => {
  const stubs = new Stubs();
  afterEach(() => stubs.reset());
  afterAll(() => rmSync(stubs.path, { recursive: true }));
  const words = {
    models: [
      'https://huggingface.co/a/b/resolve/main/c%20d.safetensors=lora',
      'https://civitai.com/api/download/models/12?type=Model&format=SafeTensor',
      'https://h.invalid/x.bin=models/Other dir/y.bin',
    ],
    extensions: ['https://h.invalid/some/ext.git'],
    pip: ['insightface==0.7.3', 'x[a,b]>=1,<2'],
    apt: ['ffmpeg'],
    tokens: ['HF_TOKEN'],
  };

  it('gets what was asked for, holds torch, and keeps the token out of every command line', () => {
    const done = stubs.run(provisioningScript(readWishes(words)), { HF_TOKEN: 'hf_secret-value' });
    expect(done.status, done.stderr).toBe(0);
    const calls = stubs.calls();
    const tree = join(stubs.path, 'work space', 'stable-diffusion-webui-forge');
    expect(readdirSync(join(tree, 'models', 'Lora'))).toEqual(['c d.safetensors']);
    expect(readdirSync(join(tree, 'models', 'Stable-diffusion'))).toEqual(['civitai-12.safetensors']);
    expect(readdirSync(join(tree, 'models', 'Other dir'))).toEqual(['y.bin']);
    expect(readdirSync(join(tree, 'extensions'))).toEqual(['ext']);
    expect(calls.find(([name]) => name === 'uv')?.slice(-3)).toEqual(['--', 'insightface==0.7.3', 'x[a,b]>=1,<2']);
    expect(calls.find(([name]) => name === 'uv')).toContain('--constraint');
    expect(JSON.stringify(calls)).not.toContain('hf_secret');
    expect(readFileSync(join(stubs.path, 'calls.stdin'), 'utf8').match(/hf_secret-value/gu)).toHaveLength(1);
  });

  it('run again, it skips what is there', () => {
    const script = provisioningScript(readWishes({ ...words, pip: [], apt: [] }));
    expect(stubs.run(script).status).toBe(0);
    rmSync(join(stubs.path, 'calls'));
    const again = stubs.run(script);
    expect(again.stdout.match(/There already/gu)).toHaveLength(4);
    expect(stubs.calls()).toEqual([]);
  });

  it('a download that fails five times ends it, and nothing half is taken for a model', () => {
    stubs.tool('curl', 'while [ $# -gt 1 ]; do [ "$1" = --output ] && echo part >"$2"; shift; done; exit 18');
    const done = stubs.run(provisioningScript(readWishes({ ...words, pip: [], apt: [], extensions: [] })));
    expect(done.status).not.toBe(0);
    expect(done.stderr).toContain('try 5 of 5');
    const models = join(stubs.path, 'work space', 'stable-diffusion-webui-forge', 'models', 'Lora');
    expect(readdirSync(models)).toEqual(['c d.safetensors.part']);
  });

  it('its own check finds nothing, and bash takes it', () => {
    const script = provisioningScript(readWishes(words));
    expect(lintScript(script)).toEqual([]);
    execFileSync('bash', ['-n'], { input: script });
    expect(lintManifest(provisioningManifest(readWishes(words)))).toEqual([]);
  });

  it('property: whatever is typed is refused or stays data, in the script and in the manifest', () => {
    const evil = fc.constantFrom(
      "'",
      '"',
      ' ',
      '$(touch pwned)',
      '`touch pwned`',
      '\n',
      ';touch pwned;',
      '${HOME}',
      '&',
      '#',
      '%27',
      '\u2028',
      '🙂',
    );
    const word = fc
      .array(fc.oneof(evil, fc.stringMatching(/^[a-z0-9./=?_-]{0,6}$/u)), { maxLength: 6 })
      .map((parts) => parts.join(''));
    const wanted = fc.record({
      models: fc.array(
        word.map((text) => `https://h.invalid/${text}/m.bin=lora`),
        { maxLength: 2 },
      ),
      extensions: fc.array(
        word.map((text) => `https://h.invalid/${text}/e.git`),
        { maxLength: 1 },
      ),
      pip: fc.array(word, { maxLength: 1 }),
      apt: fc.array(word, { maxLength: 1 }),
      tokens: fc.array(word, { maxLength: 1 }),
    });
    fc.assert(
      fc.property(wanted, (typed) => {
        let wishes: ReturnType<typeof readWishes>;
        try {
          wishes = readWishes(typed);
        } catch {
          return;
        }
        stubs.reset();
        const done = stubs.run(provisioningScript({ ...wishes, models: wishes.models.slice(0, 1) }));
        expect(done.stderr).not.toMatch(/syntax error|command not found/u);
        expect(existsSync(join(stubs.path, 'pwned'))).toBe(false);
        const manifest = parse(provisioningManifest(wishes)) as { downloads?: { url: string }[] };
        expect((manifest.downloads ?? []).map(({ url }) => url)).toEqual(wishes.models.map(({ url }) => url));
      }),
      { numRuns: 40 },
    );
  });

  it.each([
    ['models', 'ftp://x/y'],
    ['models', 'https://user:pass@h.invalid/x.bin'],
    ['models', 'https://h.invalid/x.bin?token=abc'],
    ['models', 'https://h.invalid/'],
    ['models', 'https://h.invalid/x.bin=models/../../etc'],
    ['extensions', 'https://h.invalid/..'],
    ['extensions', 'git@h.invalid:x/y'],
    ['pip', 'torch==2.0'],
    ['pip', '-r x'],
    ['pip', 'a;b'],
    ['apt', '-o=x'],
    ['tokens', 'HF_TOKEN=abc'],
  ])('%s: refuses %s', (key, value) => {
    expect(() => readWishes({ ...none, [key]: [value] })).toThrow(/is (?:not|an address|torch|a folder)/u);
  });

  it('pip: takes what pip takes', () => {
    for (const word of ['a', 'a==1.0+cu', 'A_b[x]>=1', 'git+https://h.invalid/x@v1', 'x @ https://h.invalid/x.whl']) {
      expect(pipProblem(word), word).toBeNull();
    }
  });
});

describe('the check of a script', () => {
  const rules = (line: string): string[] => lintScript(`#!/bin/bash\nset -e\n${line}\n`).map(({ rule }) => rule);

  it.each([
    ['pip install -U torch==2.1', ['system-python', 'torch']],
    ['. ${DATA_DIRECTORY}venv/main/bin/activate', ['venv-path', 'workspace-slash']],
    ['rm -rf $WORKSPACE/x', ['unquoted-rm']],
    ['cd $WORKSPACE && ls', ['unquoted-cd']],
    ['supervisorctl reload', ['supervisor-reload']],
    ['cat requirements-versions.txt', ['requirements-file']],
    ['apt-get install ffmpeg', ['apt-asks']],
    ['sed -i s/a/b/ /etc/portal.yaml', ['portal-restart']],
    ['export HF_TOKEN=hf_abcdefghijklmnop', ['secret']],
    ['curl https://me:secret@h.invalid/x', ['secret']],
  ])('%s', (line, expected) => {
    expect(rules(line)).toEqual(expected);
  });

  it.each([
    '. /venv/main/bin/activate; pip install torchsde pytorch-lightning',
    'rm -rf "$WORKSPACE/x"; cd "$WORKSPACE"',
    'apt-get update && apt-get install -y ffmpeg',
    'curl -H "Authorization: Bearer $HF_TOKEN" "https://h.invalid/x?token=${TOKEN}"',
    'token=${CIVITAI_TOKEN:-}',
    '# rm -rf $X, pip install torch',
    'cat <<X\nrm -rf $FOO\nX',
    'sed -i s/a/b/ /etc/portal.yaml; supervisorctl restart caddy',
  ])('takes %s', (line) => {
    expect(rules(line)).toEqual([]);
  });

  it('says what the whole lacks, and never repeats a secret', () => {
    expect(
      lintScript('echo x\r\n')
        .map(({ rule }) => rule)
        .sort(),
    ).toEqual(['crlf', 'set-e', 'shebang']);
    expect(JSON.stringify(lintScript('#!/bin/bash -e\nX_TOKEN=abcdefghijk\n'))).not.toContain('abcdefghijk');
  });

  it('addresses: whole ones only, each once', () => {
    const text =
      'curl "https://h.invalid/a?x=1" https://h.invalid/$NAME\nx="https://h.invalid/a?x=1"\n# https://h.invalid/no\n';
    expect(urlsIn(text)).toEqual([{ url: 'https://h.invalid/a?x=1', line: 1 }]);
  });

  it('property: no text makes it throw, or take long', () => {
    const part = fc.oneof(
      fc.string(),
      fc.constantFrom('rm ', '$X', '"', "'", 'apt install ', 'pip install torch', ' '.repeat(200), 'a'.repeat(500)),
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 30 }), (parts) => {
        const started = performance.now();
        lintScript(parts.join(''));
        lintManifest(parts.join('\n'));
        expect(performance.now() - started).toBeLessThan(2000);
      }),
    );
  });

  it('manifests: keys, lists, versions, downloads', () => {
    const text =
      'verson: 1\napt_packages: ffmpeg\ndownloads:\n  - url: https://h.invalid/x\n  - url: https://h.invalid/y\n    dest: /y\npip_packages:\n  - packages:\n      - torch>=2\non_failure:\n  action: destroy\n';
    expect(lintManifest(text).map(({ rule, line }) => `${rule}:${line}`)).toEqual([
      'manifest-key:1',
      'manifest-version:1',
      'manifest-list:2',
      'manifest-download:4',
      'torch:9',
      'failure-action:11',
    ]);
  });
});

describe('a script that a launch carries', () => {
  let machine: MachineRoot;
  beforeEach(() => {
    machine = new MachineRoot();
  });
  afterEach(() => machine.remove());

  it('small: in the start script, byte for byte, before the entry point; what was changed on the machine stays', () => {
    const script = `#!/bin/bash\necho "$(touch pwned)" 'x' \\ \u2603\n`;
    const { onstart, by } = carryScript('entrypoint.sh', script, 'abcdef0123456789');
    expect(by).toBe('onstart');
    expect(onstart.length).toBeLessThanOrEqual(4096);
    machine.tool('entrypoint.sh', 'cat "$FORGECTL_ROOT/provisioning.sh" >"$FORGECTL_ROOT/seen"');
    const run = () =>
      machine.runNow(`PATH="$FORGECTL_ROOT/opt/instance-tools/bin:$PATH"\n${onstart.replace(/^\(n=0.*\n/mu, '')}`);
    run();
    expect(readFileSync(join(machine.path, 'seen'), 'utf8')).toBe(script);
    expect(statSync(join(machine.path, 'provisioning.sh')).mode & 0o777).toBe(0o700);
    machine.write('provisioning.sh', 'mine\n');
    run();
    expect(readFileSync(join(machine.path, 'provisioning.sh'), 'utf8')).toBe('mine\n');
  });

  it('large: the boot runs one that waits for it', async () => {
    const noise = Array.from({ length: 200 }, (_, at) => createHash('sha256').update(String(at)).digest('base64')).join(
      '',
    );
    const script = `#!/bin/bash\n: '${noise}'\necho ran >"$FORGECTL_ROOT/ran"\n`;
    const { onstart, by } = carryScript('#!/bin/sh\nentrypoint.sh', script, 'abcdef0123456789');
    expect(by).toBe('ssh');
    expect(onstart.startsWith('#!/bin/sh\n')).toBe(true);
    machine.runNow(onstart.replace(/^\(n=0.*\n/mu, ''));
    const bring = await runScript(machine, bringScript(script), { timeoutMs: 5000 });
    expect(bring.exitCode, bring.stderr).toBe(0);
    machine.runNow('"$FORGECTL_ROOT/provisioning.sh"');
    expect(readFileSync(join(machine.path, 'ran'), 'utf8')).toBe('ran\n');
  });
});

describe('how provisioning stands', () => {
  let machine: MachineRoot;
  beforeEach(() => {
    machine = new MachineRoot();
    machine.env = { PROVISIONING_SCRIPT: 'https://me:pw@h.invalid/x.sh?token=abc' };
    machine.tool('supervisorctl', 'exit 3');
  });
  afterEach(() => machine.remove());
  const state = async () =>
    parseProvisioningState((await runScript(machine, provisioningStateScript(), { timeoutMs: 5000 })).output);
  const run = (id: string, exit: string | null): void => {
    machine.write(`var/lib/forgectl/provision/${id}/source`, 'setup.sh');
    if (exit !== null) machine.write(`var/lib/forgectl/jobs/${id}/status`, exit);
  };

  it.each([
    [['.provisioning'], 'running'],
    [['.provisioning', '.provisioning_complete'], 'running'],
    [['.provisioning', '.provisioning_failed'], 'running'],
    [['.provisioning_complete'], 'complete'],
    [['.provisioning_failed'], 'failed'],
    [['.provisioning_failed', '.provisioner_stopped'], 'stopped'],
    [[], 'complete'],
  ])('%j is %s', async (marks, expected) => {
    for (const mark of marks) machine.write(mark, '');
    expect(await state()).toMatchObject({
      state: expected,
      evidence: marks.length === 0 ? 'absence' : 'boot',
      script: 'https://[redacted]@h.invalid/x.sh?…',
    });
  });

  it('before the supervisor is up, and without a script, there is none', async () => {
    machine.tool('supervisorctl', 'exit 4');
    expect(await state()).toMatchObject({ state: 'none', reason: 'the boot has not come so far' });
    machine.env = {};
    expect(await state()).toMatchObject({ state: 'none', script: null });
  });

  it('what was run last counts', async () => {
    machine.write('.provisioning_failed', '');
    run('provision-1', '0');
    expect(await state()).toMatchObject({
      state: 'complete',
      evidence: 'run',
      lastRun: { exitCode: 0, source: 'setup.sh' },
    });
    machine.write('var/lib/forgectl/jobs/provision-1/status', '7');
    expect(await state()).toMatchObject({ state: 'failed', reason: 'setup.sh ended with 7' });
    rmSync(join(machine.path, 'var/lib/forgectl/jobs/provision-1'), { recursive: true });
    expect(await state()).toMatchObject({ state: 'failed', lastRun: { state: 'lost' } });
  });
});
// biome-ignore-end lint/suspicious/noTemplateCurlyInString: bash's, not ours
