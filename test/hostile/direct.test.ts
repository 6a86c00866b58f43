import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fromText } from '../../src/instance/files/byte-path.ts';
import {
  closeScript,
  grantScript,
  LEASE_S,
  letInScript,
  makeKeyScript,
  packPaths,
  parseKey,
  renewScript,
} from '../../src/instance/migration/direct/passage.ts';
import { PYTHON_PULL } from '../../src/instance/migration/direct/python-pull.ts';
import { PYTHON_JOIN } from '../../src/instance/migration/direct/python-push.ts';
import { PYTHON_SERVE } from '../../src/instance/migration/direct/python-serve.ts';

const top = mkdtempSync(join(tmpdir(), 'forgectl hostile '));
afterAll(() => rmSync(top, { recursive: true, force: true }));

let made = 0;
const newDirectory = (): string => {
  made += 1;
  const path = join(top, String(made));
  mkdirSync(path);
  return path;
};
/** As the machines' programs choose it. */
const PYTHON = existsSync('/usr/bin/python3') ? '/usr/bin/python3' : 'python3';
const nowS = (): number => Math.floor(Date.now() / 1000);
const latin1 = (text: string): string => Buffer.from(text).toString('latin1');

interface Ended {
  code: number | null;
  out: Buffer;
  stderr: string;
}

function endOf(child: ChildProcess): Promise<Ended> {
  const parts: Buffer[] = [];
  let stderr = '';
  child.stdout?.on('data', (part: Buffer) => parts.push(part));
  child.stderr?.on('data', (part: Buffer) => {
    stderr += part.toString();
  });
  child.stdin?.on('error', () => {});
  return new Promise((resolve) => {
    child.once('close', (code) => resolve({ code, out: Buffer.concat(parts), stderr }));
  });
}

const SECRET = 'HF_TOKEN=hf_of_the_owner';
const PLANNED = Buffer.alloc(700_000, 'planned ');

function makeWorkspace(): string {
  const workspace = newDirectory();
  const at = (name: string): string => join(workspace, name);
  mkdirSync(at('outputs'));
  mkdirSync(at('private'));
  for (const name of ['.env', 'private/key', '../outside']) writeFileSync(at(name), SECRET);
  for (const name of ['outputs/a.png', 'z']) writeFileSync(at(name), PLANNED);
  symlinkSync('.env', at('link'));
  symlinkSync('private', at('linked'));
  symlinkSync('/etc', at('far'));
  spawnSync('bash', ['-c', 'mkfifo "$1"', 'bash', at('pipe')]);
  return workspace;
}

const shared = makeWorkspace();

/** A source's workspace, and what a run has granted there. */
class Source {
  readonly workspace: string;
  readonly place = newDirectory();

  constructor({ left = 64 << 20, leaseS = 600, workspace = shared } = {}) {
    this.workspace = workspace;
    // What is a link by now was a file when it was listed.
    this.grant(['outputs/a.png', 'z', 'link', 'linked/key', 'far/passwd', 'outputs', 'pipe', 'gone']);
    writeFileSync(join(this.place, 'left'), String(left).padStart(20, '0'));
    this.lease(leaseS);
  }

  grant(names: readonly string[]): void {
    const paths = names.map((name) => join(this.workspace, name)).sort();
    writeFileSync(join(this.place, 'list'), paths.map((path) => `${path}\0`).join(''));
  }

  lease(seconds: number): void {
    writeFileSync(join(this.place, 'lease'), String(nowS() + seconds));
  }

  start(): ChildProcess {
    return spawn(PYTHON, ['-I', '-S', '-c', PYTHON_SERVE, this.workspace, this.place]);
  }

  /** One connection by whoever has the key. */
  ask(...requests: unknown[]): Promise<Ended> {
    const child = this.start();
    const ended = endOf(child);
    child.stdin?.end(requests.map((request) => `${JSON.stringify(request)}\n`).join(''));
    return ended;
  }

  ranges(name: string, ranges: unknown): Record<string, unknown> {
    return { file: latin1(join(this.workspace, name)), ranges };
  }
}

describe('whoever has the key of a direct migration, at the source', () => {
  it('reads what was planned', async () => {
    const source = new Source();
    const { code, out } = await source.ask(source.ranges('z', [[8, 8]]), source.ranges('outputs/a.png', [[0, 7]]));
    expect(code).toBe(0);
    expect(out.toString()).toBe('{"ready": true}\nplanned {"kept": true}\n{"ready": true}\nplanned{"kept": true}\n');
  });

  const refused = [
    '.env',
    'private/key',
    '../outside',
    'outputs/../.env',
    'outputs/../outputs/a.png',
    './z',
    'outputs//a.png',
    '/etc/passwd',
    '../../../../../../../../etc/passwd',
    'link',
    'linked/key',
    'far/passwd',
    'outputs',
    'pipe',
    'gone',
    '',
    'outputs/a.pn',
    'outputs/a.png ',
    'outputs/a.png\0',
  ];
  it.each(refused)('gets nothing of %j', async (name) => {
    const source = new Source();
    const path = name.startsWith('/') ? name : `${source.workspace}/${name}`;
    const base = latin1(name.startsWith('/') ? '/' : source.workspace);
    const stats = existsSync(path) ? statSync(path, { bigint: true }) : { size: 10n, mtimeNs: 1n };
    const { out } = await source.ask(
      { file: latin1(path), ranges: [[0, 10]] },
      { base, files: [[latin1(name), Number(stats.size), String(stats.mtimeNs)]] },
    );
    const [ranged, packed, ...rest] = out.toString().split('\n');
    expect(ranged).toMatch(/^\{"problem": "[^"]+"\}$/u);
    expect(packed).toMatch(/^\{"file": 0, "problem": "\w+"(?:, "detail": "[^"]+")?\}$/u);
    expect(rest).toEqual(['{"end": true}', '']);
  });

  it.each([
    ['a quadrillion bytes', [[0, 1e15]]],
    ['one byte behind the end', [[PLANNED.length, 1]]],
    ['the last byte and one more', [[PLANNED.length - 1, 2]]],
    [
      'a good range and one far behind',
      [
        [0, 100_000],
        [1e12, 5],
      ],
    ],
    ['a negative offset', [[-5, 10]]],
    ['a negative length', [[0, -1]]],
    ['half a byte', [[0.5, 1]]],
    ['true', [[true, true]]],
    ['words', 'all'],
  ])('%s: not a byte is sent', async (_, ranges) => {
    const source = new Source();
    const { out } = await source.ask(source.ranges('z', ranges));
    expect(out.toString()).toMatch(/^(?:\{"shorter": true\}\n)?$/u);
  });

  it('sends no more than is left, over however many connections', async () => {
    const left = 1_500_000;
    const source = new Source({ left });
    let sent = 0;
    for (let connection = 0; connection < 4; connection += 1) {
      const { out, code } = await source.ask(source.ranges('z', [[0, 650_000]]), source.ranges('z', [[0, 650_000]]));
      sent += out.length;
      expect(code).toBe(connection === 0 ? 0 : 3);
    }
    expect(sent).toBeGreaterThan(1_300_000);
    expect(sent).toBeLessThanOrEqual(left);
    const { out, stderr } = await source.ask(...Array.from({ length: 20_000 }, () => ({ ping: 'x'.repeat(100) })));
    expect(sent + out.length).toBeLessThanOrEqual(left);
    expect(stderr).toContain('more was asked for');
  });

  it('two connections at the same moment do not share a byte', async () => {
    const left = 3 << 20;
    const source = new Source({ left });
    const asked = Array.from({ length: 8 }, () => source.ranges('z', [[0, 700_000]]));
    const ended = await Promise.all([source.ask(...asked), source.ask(...asked), source.ask(...asked)]);
    const sent = ended.reduce((sum, { out }) => sum + out.length, 0);
    expect(sent).toBeLessThanOrEqual(left);
    expect(ended.map(({ code }) => code)).toEqual([3, 3, 3]);
  });

  it('a hole of a petabyte that was planned ends with what is left', async () => {
    const source = new Source({ left: 5 << 20, workspace: makeWorkspace() });
    truncateSync(join(source.workspace, 'z'), 2 ** 43);
    const { out, code } = await source.ask(source.ranges('z', [[0, 2 ** 43]]));
    expect(code).toBe(3);
    expect(out.length).toBeLessThanOrEqual(5 << 20);
  });

  it.each([
    ['over', (source: Source) => source.lease(-1)],
    ['gone', (source: Source) => rmSync(join(source.place, 'lease'))],
    ['no number', (source: Source) => writeFileSync(join(source.place, 'lease'), 'for ever')],
  ])('with a lease that is %s it gets not even an answer', async (_, change) => {
    const source = new Source();
    change(source);
    const { code, out, stderr } = await source.ask({ ping: 1 }, source.ranges('z', [[0, 5]]));
    expect({ code, out: out.toString() }).toEqual({ code: 3, out: '' });
    expect(stderr).toContain('the time that the run has here is over');
  });

  it('a lease that ends in the middle of a file ends the sending, also where nobody reads', async () => {
    const source = new Source({ left: 2 ** 40, workspace: makeWorkspace() });
    truncateSync(join(source.workspace, 'z'), 2 ** 33);
    const child = source.start();
    child.stdout?.pause();
    child.stdin?.write(`${JSON.stringify(source.ranges('z', [[0, 2 ** 33]]))}\n`);
    await new Promise((resolve) => child.stdout?.once('readable', resolve));
    source.lease(-1);
    // Its own alarm, rung early.
    child.kill('SIGALRM');
    const code = await new Promise((resolve) => child.once('exit', resolve));
    expect(code).toBe(3);
  });

  it('one that was renewed goes on', async () => {
    const source = new Source();
    const child = source.start();
    const ended = endOf(child);
    child.stdin?.write('{"ping": 1}\n');
    await new Promise((resolve) => child.stdout?.once('data', resolve));
    child.kill('SIGALRM');
    child.stdin?.end('{"ping": 1}\n');
    expect((await ended).out.toString()).toBe('{"pong": 1}\n{"pong": 1}\n');
  });

  it('holds no more than so many connections', async () => {
    const source = new Source();
    const holder = spawn(PYTHON, [
      '-c',
      'import fcntl, sys\nslots = [open(f"{sys.argv[1]}/slot-{n}", "w") for n in range(64)]\nfor slot in slots: fcntl.flock(slot, 2)\nprint("held", flush=True); sys.stdin.read()',
      source.place,
    ]);
    await new Promise((resolve) => holder.stdout.once('data', resolve));
    expect(await source.ask({ ping: 1 })).toMatchObject({ code: 3, stderr: 'too many connections at once\n' });
    const freed = endOf(holder);
    holder.stdin.end();
    await freed;
    expect((await source.ask({ ping: 1 })).code).toBe(0);
  });

  it('whatever it says', async () => {
    const source = new Source({ left: 1 << 20 });
    const name = fc.oneof(fc.constantFrom(...refused, 'z', 'outputs/a.png'), fc.string());
    const path = name.map((text) => latin1(`${source.workspace}/${text}`));
    const number = fc.oneof(fc.integer(), fc.double(), fc.constantFrom(0, 5, 1e15, 2 ** 64, null, '0'));
    const request = fc.oneof(
      fc.record({ file: path, ranges: fc.array(fc.array(number, { maxLength: 3 }), { maxLength: 3 }) }),
      fc.record({
        base: fc.oneof(fc.constant(latin1(source.workspace)), fc.constant('/'), fc.string()),
        files: fc.array(fc.tuple(name, number, number.map(String)), { maxLength: 3 }),
        deflate: fc.boolean(),
      }),
      fc.json().map((text) => JSON.parse(text) as unknown),
    );
    let sent = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(request, { maxLength: 5 }), async (requests) => {
        const { out, code, stderr } = await source.ask(...requests);
        sent += out.length;
        expect([0, 3]).toContain(code);
        expect(out.includes('HF_TOKEN')).toBe(false);
        expect(stderr).not.toContain('Traceback');
      }),
      { numRuns: 40 },
    );
    expect(sent).toBeLessThanOrEqual(1 << 20);
  });
});

describe('the key of a migration that is sent by the source, at the destination', () => {
  const knock = (words: string, { leaseS = 600 } = {}) => {
    const place = newDirectory();
    writeFileSync(join(place, 'lease'), String(nowS() + leaseS));
    writeFileSync(join(place, 'secret.sock'), SECRET);
    const env = { ...process.env, SSH_ORIGINAL_COMMAND: words };
    return spawnSync(PYTHON, ['-I', '-S', '-c', PYTHON_JOIN, place], { env, input: 'x', encoding: 'utf8' });
  };

  it.each(['', 'sh', '12', '../1', '1/../secret', 'secret', '-1', '١', '1\n2', '9'.repeat(200)])(
    'opens nothing for %j',
    (words) => {
      const { stdout, status } = knock(words);
      expect(stdout).toBe('');
      expect(status).not.toBe(0);
    },
  );

  it('nothing at all when its time is over', () => {
    expect(knock('12', { leaseS: -1 })).toMatchObject({ status: 3, stdout: '' });
  });
});

describe('the destination of a direct migration, against its source', () => {
  /** What the source sends behind the two answers at the beginning: Python, r gives what is asked, w takes what is sent. */
  const bring = async (job: Record<string, unknown>, source: string, prepare = (_: string): void => {}) => {
    const directory = newDirectory();
    const staging = join(directory, 'new');
    mkdirSync(staging);
    writeFileSync(join(directory, 'outside'), 'mine');
    prepare(staging);
    const program = `
import sys, json
r, w = sys.stdin.buffer, sys.stdout.buffer
def say(document):
    w.write(json.dumps(document).encode() + b'\\n'); w.flush()
for _ in 'ab':
    r.readline(); say({'pong': 1})
r.readline()
try:
${source.replaceAll(/^/gmu, '    ')}
    w.flush(); r.read()
except BrokenPipeError:
    pass
`;
    const child = spawn(PYTHON, ['-I', '-S', '-c', PYTHON_PULL, staging, PYTHON, '-I', '-S', '-c', program]);
    const ended = endOf(child);
    child.stdin.end(`${JSON.stringify({ deflate: false, rate: null, ...job })}\n`);
    const { code, out, stderr } = await ended;
    const said = out
      .toString()
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const there = readdirSync(staging)
      .filter((name) => !name.startsWith('.part'))
      .sort();
    expect(readFileSync(join(directory, 'outside'), 'utf8')).toBe('mine');
    expect(readdirSync(directory).sort()).toEqual(['new', 'outside']);
    return { code, last: said.at(-1) ?? {}, stderr, there, staging };
  };
  const packOf = (...names: string[]) => ({
    base: '/workspace',
    aside: '.part/pack-1',
    items: names.map((name) => [name, name, 10, 0o644, '1600000000000000000', null, null]),
  });
  const withPart = (staging: string): void => mkdirSync(join(staging, '.part'));
  const whole = (index: number) =>
    `say({'file': ${index}, 'data': [[0, 10]]}); w.write(b'0123456789'); say({'kept': True})`;

  it('takes what was planned', async () => {
    const done = await bring(packOf('a'), `${whole(0)}\nsay({'end': True})`, withPart);
    expect(done).toMatchObject({ code: 0, there: ['a'], last: { done: true, problems: [] } });
    expect(readFileSync(join(done.staging, 'a'), 'utf8')).toBe('0123456789');
  });

  it.each(['../outside', '/outside', 'a/../../outside', '..', '.', '', 'x//y', 'sub/link/x', 'link/x', 'gone/x'])(
    'writes nothing to %j',
    async (name) => {
      const prepare = (staging: string): void => {
        withPart(staging);
        mkdirSync(join(staging, 'sub'));
        symlinkSync('..', join(staging, 'link'));
        symlinkSync('../..', join(staging, 'sub/link'));
      };
      const done = await bring(packOf(name), `${whole(0)}\nsay({'end': True})`, prepare);
      expect(done.last['problems']).toEqual([[0, 'unwritable', expect.any(String)]]);
      expect(done.there).toEqual(['link', 'sub']);
      const ranged = await bring(
        { file: '/w/a', to: name, ranges: [[0, 4]] },
        `say({'ready': True}); w.write(b'evil')`,
        prepare,
      );
      expect(ranged.code).toBe(5);
    },
  );

  it('a file in whose place a link lies is replaced, and what the link names is not touched', async () => {
    const prepare = (staging: string): void => {
      withPart(staging);
      symlinkSync('../outside', join(staging, 'a'));
    };
    const done = await bring(packOf('a'), `${whole(0)}\nsay({'end': True})`, prepare);
    expect(lstatSync(join(done.staging, 'a')).isFile()).toBe(true);
    const ranged = await bring(
      { file: '/w/a', to: 'a', ranges: [[0, 4]] },
      `say({'ready': True}); w.write(b'evil')`,
      prepare,
    );
    expect(ranged.code).toBe(5);
  });

  it.each([
    ['a terabyte for ten bytes', `say({'file': 0, 'data': [[0, 10**12]]}); w.write(bytes(10**6))`],
    ['one byte too many', `say({'file': 0, 'data': [[0, 11]]}); w.write(bytes(11))`],
    ['the same bytes again and again', `say({'file': 0, 'data': [[0, 10]] * 1000}); w.write(bytes(10000))`],
    ['bytes far behind the end', `say({'file': 0, 'data': [[10**15, 10]]}); w.write(bytes(10))`],
    ['a negative length', `say({'file': 0, 'data': [[5, -5], [0, 10]]}); w.write(bytes(10))`],
    ['a fraction', `say({'file': 0, 'data': [[0.5, 1]]}); w.write(bytes(10))`],
    ['no list', `say({'file': 0, 'data': 'all'}); w.write(bytes(10))`],
    ['a file that was not asked for', `say({'file': 1, 'data': [[0, 10]]})`],
    ['the last of them, counted from behind', `say({'file': -1, 'data': [[0, 10]]})`],
    ['true for a number', `say({'file': True, 'data': [[0, 10]]})`],
    ['the same file twice', `say({'file': 0, 'problem': 'changed'}); say({'file': 0, 'problem': 'changed'})`],
    ['a line that never ends', `w.write(b'{' * (3 << 20))`],
    ['no object', `say([1, 2])`],
    ['no JSON', `w.write(b'{]\\n')`],
    ['brackets beyond counting', `w.write(b'[' * 900000 + b'\\n')`],
  ])('%s: nothing of it is kept', async (_, source) => {
    const { code, there, stderr, staging } = await bring(packOf('a'), source, withPart);
    expect({ code, there, stderr }).toEqual({ code: 3, there: [], stderr: 'it sent what was not asked for\n' });
    for (const name of readdirSync(join(staging, '.part/pack-1')))
      expect(statSync(join(staging, '.part/pack-1', name)).size).toBeLessThanOrEqual(10);
  });

  it('no bit that lends rights comes along', async () => {
    const job = packOf('a');
    for (const item of job.items) item[3] = 0o7755;
    const done = await bring(job, `${whole(0)}\nsay({'end': True})`, withPart);
    expect((statSync(join(done.staging, 'a')).mode & 0o7777).toString(8)).toBe('755');
  });

  it('a reason that is no word of ours, or too long, is not passed on', async () => {
    const { last } = await bring(
      packOf('a', 'b', 'c'),
      `say({'file': 0, 'problem': {'x': 1}})
say({'file': 1, 'problem': 'changed', 'detail': 'x' * 100000})
say({'file': 2, 'problem': 'vanished', 'detail': [1]})
say({'end': True})`,
      withPart,
    );
    expect(last['problems']).toEqual([
      [0, 'unreadable', null],
      [1, 'changed', 'x'.repeat(200)],
      [2, 'vanished', null],
    ]);
  });
});

describe('what a run writes beside the keys of a machine', () => {
  const root = join(top, 'machine');
  const keys = join(root, 'home/.ssh/authorized_keys');
  const RUN = 'migrate-abc123';
  const OTHERS = `ssh-ed25519 AAAAC3Nz someone\n# passage-${RUN} is no key\nssh-ed25519 AAAAC3Nz passage-migrate-other\n`;
  const place = join(root, `var/lib/forgectl/passage-${RUN}`);
  const run = (script: string, env: Record<string, string> = {}) => {
    const { TZ: _, ...own } = process.env;
    const machine = { ROOT: root, HOME: join(root, 'home'), WORKSPACE: join(root, 'workspace') };
    const result = spawnSync('bash', ['-c', script], { env: { ...own, ...machine, ...env }, encoding: 'utf8' });
    expect(result.status, result.stderr).toBe(0);
    return result.stdout;
  };
  const expiry = (): string =>
    /^restrict,expiry-time="(\d{12})",command="/mu.exec(readFileSync(keys, 'utf8'))?.[1] ?? '';
  /** As sshd reads it, in one time zone. */
  const hoursLeft = (zone: string): number => {
    const [, date, hour, minute] = /^(\d{8})(\d\d)(\d\d)$/u.exec(expiry()) ?? [];
    const words = ['-d', `${date} ${hour}:${minute}`, '+%s'];
    const { stdout } = spawnSync('date', words, { env: { ...process.env, TZ: zone }, encoding: 'utf8' });
    return (Number(stdout) - nowS()) / 3600;
  };

  beforeAll(() => {
    mkdirSync(join(root, 'home/.ssh'), { recursive: true });
    mkdirSync(join(root, 'workspace'));
    writeFileSync(keys, OTHERS);
  });

  it('a key for one command, that dies within hours whatever the time zone of its session', () => {
    run(letInScript(RUN, 'ssh-ed25519 AAAANew', 'pull'), { TZ: 'UTC' });
    expect(
      readFileSync(keys, 'utf8')
        .split('\n')
        .filter((line) => line.includes('AAAANew')),
    ).toHaveLength(1);
    expect(readFileSync(keys, 'utf8')).toContain(`'${place}/serve.py' '${join(root, 'workspace')}' '${place}'"`);
    expect(Number(readFileSync(join(place, 'lease'), 'utf8')) - nowS()).toBeLessThanOrEqual(LEASE_S);
    expect(LEASE_S).toBeLessThanOrEqual(6 * 3600);
    expect(hoursLeft('UTC')).toBeGreaterThan(2.9);
    // A session that is behind sshd must not make a key that is dead already.
    run(letInScript(RUN, 'ssh-ed25519 AAAANew', 'pull'), { TZ: 'Pacific/Honolulu' });
    expect(hoursLeft('UTC')).toBeGreaterThan(2.9);
    expect(hoursLeft('Pacific/Honolulu')).toBeLessThanOrEqual(14);
  });

  it('renewed: the key and the lease, and nothing else', () => {
    const dead = readFileSync(keys, 'utf8').replace(expiry(), '202001010000');
    writeFileSync(keys, dead);
    writeFileSync(join(place, 'lease'), '5');
    run(renewScript(RUN), { TZ: 'UTC' });
    expect(hoursLeft('UTC')).toBeGreaterThan(2.9);
    expect(readFileSync(keys, 'utf8')).toBe(dead.replace('202001010000', expiry()));
    expect(Number(readFileSync(join(place, 'lease'), 'utf8'))).toBeGreaterThan(nowS() + LEASE_S - 60);
  });

  it('a list and a count that nobody else can read', async () => {
    const paths = ['/w/ü', '/w/b', '/w/a b', '/w/a'].map((path) => fromText(path));
    const packed = await packPaths(paths);
    const { script, words } = grantScript(place, 1234);
    const granted = spawnSync('bash', ['-c', script, 'x', ...(words as string[])], { input: packed });
    expect(granted.status, granted.stderr.toString()).toBe(0);
    expect(readFileSync(join(place, 'list'), 'utf8')).toBe('/w/a\0/w/a b\0/w/b\0/w/ü\0');
    expect(gunzipSync(packed).toString()).toBe(readFileSync(join(place, 'list'), 'utf8'));
    expect(Number(readFileSync(join(place, 'left'), 'utf8'))).toBe(1234);
    for (const name of ['list', 'left', 'lease', 'serve.py'])
      expect((statSync(join(place, name)).mode & 0o777).toString(8), name).toBe('600');
  });

  it.skipIf(spawnSync('ssh-keygen', ['-?']).error !== undefined)(
    'all of it goes, and a late renewal brings nothing back',
    () => {
      expect(parseKey(run(makeKeyScript(RUN, 'ssh-ed25519 AAAA')))?.place).toBe(place);
      run(closeScript(RUN));
      run(renewScript(RUN));
      expect(readFileSync(keys, 'utf8')).toBe(OTHERS);
      expect(existsSync(place)).toBe(false);
    },
  );
});

it('finds a path in a list of any names', async () => {
  const name = fc.string({ minLength: 1, maxLength: 6, unit: fc.constantFrom('a', 'b', ' ', 'ÿ', '\n', 'é', '.') });
  const names = fc.uniqueArray(
    name.filter((text) => !/^\.+$/u.test(text)),
    { minLength: 1, maxLength: 30 },
  );
  const source = new Source({ workspace: newDirectory() });
  await fc.assert(
    fc.asyncProperty(names, async (all) => {
      const [listed, others] = [0, 1].map((odd) => all.filter((_, index) => index % 2 === odd)) as [string[], string[]];
      for (const one of all) writeFileSync(join(source.workspace, one), '');
      const packed = await packPaths(listed.map((one) => fromText(join(source.workspace, one))));
      writeFileSync(join(source.place, 'list'), gunzipSync(packed));
      const { out } = await source.ask(...[...listed, ...others].map((one) => source.ranges(one, [[0, 0]])));
      const said = out.toString().split('\n').filter(Boolean);
      expect(said.filter((line) => line.includes('ready'))).toHaveLength(listed.length);
      expect(said.filter((line) => line.includes('not planned'))).toHaveLength(others.length);
    }),
    { numRuns: 15 },
  );
});
