import { execFileSync, spawnSync } from 'node:child_process';
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { applyChange, includeLine, readConfig, withInclude, withoutInclude } from '../../src/ssh/config-include.ts';
import {
  aliasesOfOthers,
  configWord,
  type HostEntry,
  literalHosts,
  safeAlias,
  withSection,
} from '../../src/ssh/openssh-config.ts';
import { unifiedDiff } from '../../src/ui/line-diff.ts';
import { hasSsh as findsSsh } from '../support/is-checked.ts';

/** Not everywhere; then the diff is only compared with itself. */
const PATCH = 'patch';
const hasSsh = findsSsh('what ssh reads');
let directory = '';

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "forgectl conf '[x]* "));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function entry(more: Partial<HostEntry> = {}): HostEntry {
  return {
    aliases: ['web', 'forgectl-7'],
    comment: '7 web',
    user: 'root',
    hostKeyAlias: 'forgectl-7',
    knownHostsFile: '/state/7',
    identityFiles: ['/keys/id'],
    proxyWords: ['/usr/bin/node', '/opt/run.js', 'ssh', '--stdio', '7'],
    ...more,
  };
}

/** What ssh itself makes of it. */
function readBack(config: string, host: string): Record<string, string> {
  const file = join(directory, 'config');
  writeFileSync(file, Buffer.from(config, 'latin1'));
  const out = execFileSync('ssh', ['-G', '-T', '-F', file, host], { encoding: 'utf8' });
  return Object.fromEntries(out.split('\n').map((line) => [line.split(' ')[0], line.slice(line.indexOf(' ') + 1)]));
}

/** A path of anything but what ssh's configuration cannot hold. */
const path = fc
  .string({
    unit: fc.constantFrom(' ', "'", '"', '\\', '%', '#', '$', '`', '*', '[', '☃', 'é', 'a', '-', ','),
    maxLength: 12,
  })
  .map((text) => `/x/${text}/y`);

describe('hosts for ssh', () => {
  it.skipIf(!hasSsh)('ssh reads back what was meant, whatever the paths are', () => {
    fc.assert(
      fc.property(path, path, path, (state, key, program) => {
        const words = [program, '--ssh-key=a b', '%h', 'ssh'];
        const config = withSection(null, 'vast', [
          entry({ knownHostsFile: state, identityFiles: [key], proxyWords: words }),
        ]) as string;
        const read = readBack(config, 'web');
        expect(read['userknownhostsfile']).toBe(state);
        // ssh prints these two with their tokens still in them.
        expect(read['identityfile']).toBe(key.replaceAll('%', '%%'));
        expect(read).toMatchObject({ hostname: 'forgectl-7', user: 'root', stricthostkeychecking: 'true' });
        const proxy = (read['proxycommand'] as string).replaceAll('%%', '%');
        expect(execFileSync('sh', ['-c', `printf '%s\\0' ${proxy}`], { encoding: 'utf8' })).toBe(
          `${words.join('\0')}\0`,
        );
      }),
      { numRuns: 10 },
    );
  });

  it.skipIf(!hasSsh)('no label breaks or adds to the configuration', () => {
    const label = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 30 }),
      fc.constantFrom(
        'x\nHost *\n  ProxyCommand touch /tmp/pwned',
        '* !x',
        '-oProxyCommand=x',
        '$(id)',
        'a'.repeat(200),
        '☃',
        '',
        'github.com',
        '"quoted" name',
        'x # y',
        '# <<< vast',
      ),
    );
    fc.assert(
      fc.property(fc.array(label, { minLength: 1, maxLength: 10 }), (labels) => {
        const entries = labels.map((text, index) => {
          const alias = safeAlias(text);
          if (alias !== null) expect(alias).toMatch(/^[A-Za-z0-9_][A-Za-z0-9_-]{0,59}$/u);
          const hostKeyAlias = `forgectl-${index}`;
          const aliases = [...(alias === null ? [] : [`${alias}-${index}`]), hostKeyAlias];
          return entry({ comment: `${index} ${text}`, aliases, hostKeyAlias });
        });
        const config = withSection(null, 'vast', entries) as string;
        const last = entries.at(-1) as HostEntry;
        expect(readBack(config, last.aliases[0] as string)['hostname']).toBe(last.hostKeyAlias);
        expect(readBack(config, 'elsewhere')['hostname']).toBe('elsewhere');
        expect(withSection(config, 'vast', null)).toBe(null);
      }),
      { numRuns: 6 },
    );
  });

  it('a label is no domain, no pattern and no option', () => {
    expect(['my forge', 'a.b', '--x--', '☃', 'localhost', '$(id)', 'x'.repeat(200)].map(safeAlias)).toEqual([
      'my-forge',
      'a-b',
      'x',
      null,
      null,
      'id',
      'x'.repeat(60),
    ]);
  });

  it('each context has its own section, and leaves the others alone', () => {
    const vast = withSection(null, 'vast', [entry()]);
    const both = withSection(vast, 'sandbox', [entry({ aliases: ['toy'], comment: 'ein Schnee☃' })]);
    expect(aliasesOfOthers(both, 'sandbox')).toEqual(new Set(['web', 'forgectl-7']));
    expect(withSection(both, 'vast', [entry()])).toBe(both);
    expect(withSection(both, 'sandbox', null)).toBe(vast);
    expect(withSection(withSection(both, 'vast', null), 'sandbox', null)).toBe(null);
  });

  it('finds the names that a configuration gives to other hosts', () => {
    const config = 'Host a b *.x !c "d"\n  HostName e\n\thost=f\nMatch host g\n# Host h\nHOST\ti\n';
    expect([...literalHosts(config)].sort()).toEqual(['a', 'b', 'd', 'f', 'i']);
  });

  it('refuses a path that the configuration cannot hold', () => {
    for (const bad of ['/a\nb', `/a/$${'{'}HOME}/b`])
      expect(() => configWord(bad)).toThrow(expect.objectContaining({ code: 'BAD_CONFIG_PATH', exit: 2 }));
  });
});

describe('the line in the user’s file', () => {
  it('is put in front and taken away, and all else stays byte for byte', () => {
    const line = includeLine('/home/a b/.ssh/forgectl.conf');
    const bytes = fc.uint8Array({ maxLength: 60 }).map((array) => Buffer.from(array).toString('latin1'));
    const text = fc.oneof(
      bytes,
      fc.constantFrom('Host x\r\n  User y', '\n\n', line.trimEnd(), `# ${line}`, `Host z\n${line}x`),
    );
    fc.assert(
      fc.property(text, (config) => {
        const added = withInclude(config, line);
        if (added === config) return;
        expect(added).toBe(line + config);
        expect(withInclude(added, line)).toBe(added);
        expect(withoutInclude(added, line) ?? '').toBe(config);
      }),
    );
    expect(withoutInclude(withInclude(null, line), line)).toBe(null);
    expect(withoutInclude('Host x\n', line)).toBe('Host x\n');
  });

  it.skipIf(!hasSsh)('is understood by ssh, whatever the directory is called', () => {
    const included = join(directory, 'forgectl.conf');
    writeFileSync(included, withSection(null, 'vast', [entry()]) as string);
    expect(readBack(withInclude('Host *\n  User other\n', includeLine(included)), 'web')['hostname']).toBe(
      'forgectl-7',
    );
    expect(readBack(withInclude('Host *\n  User other\n', includeLine(included)), 'else')['user']).toBe('other');
  });

  it('is written whole, through a link, with the mode that the file has', async () => {
    const [real, link] = [join(directory, 'dotfiles'), join(directory, 'link')];
    writeFileSync(real, Buffer.from([0xff, 0x0a]), { mode: 0o640 });
    symlinkSync('dotfiles', link);
    const before = readConfig(link);
    await applyChange({ path: link, before, after: withInclude(before, 'Include x\n') });
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(readFileSync(real)).toEqual(Buffer.from('Include x\n\xff\n', 'latin1'));
    expect(statSync(real).mode & 0o777).toBe(0o640);
    const dangling = join(directory, 'dangling');
    symlinkSync('not yet', dangling);
    await applyChange({ path: dangling, before: null, after: 'x\n' });
    expect(readlinkSync(dangling)).toBe('not yet');
    expect(statSync(join(directory, 'not yet')).mode & 0o777).toBe(0o600);
    await applyChange({ path: join(directory, 'new/deep'), before: null, after: 'x\n' });
    expect(statSync(join(directory, 'new')).mode & 0o777).toBe(0o700);
    mkdirSync(join(directory, 'a directory'));
    expect(() => readConfig(join(directory, 'a directory'))).toThrow(/EISDIR/u);
  });
});

describe('a diff', () => {
  it('is what patch needs to make one of the other', () => {
    const hasPatch = spawnSync(PATCH, ['--version'], { stdio: 'ignore' }).error === undefined;
    const file = fc
      .array(fc.constantFrom('a', 'b', 'c', '', 'Host x'), { maxLength: 14 })
      .chain((lines) => fc.constantFrom('', '\n').map((end) => lines.join('\n') + end));
    fc.assert(
      fc.property(file, file, (before, after) => {
        const diff = unifiedDiff('f', before, after);
        expect(diff === '').toBe(before === after);
        if (!hasPatch || diff === '' || after === '') return;
        const target = join(directory, 'f');
        writeFileSync(target, before);
        execFileSync(PATCH, ['-s', '-u', target], { input: diff });
        expect(readFileSync(target, 'utf8')).toBe(after);
      }),
      { numRuns: 40 },
    );
    expect(unifiedDiff('f', null, 'x\n')).toBe('--- /dev/null\n+++ f\n@@ -0,0 +1 @@\n+x\n');
  });
});
