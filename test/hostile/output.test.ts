import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeFailure, failureLines } from '../../src/cli/failure.ts';
import { namePaints, palette } from '../../src/ui/color.ts';
import { documentText, ownColor, printable, withOwnColors } from '../../src/ui/door.ts';
import { isMost } from '../faults/chosen.ts';
import { expectCleanEnd, STEERING } from './support/expect-clean.ts';
import { ESCAPES } from './support/hostile-api.ts';
import { HostileHome, inTurns, type Lies } from './support/hostile-home.ts';

const SRC = fileURLToPath(new URL('../../src/', import.meta.url));
// biome-ignore lint/suspicious/noControlCharactersInRegex: matching control characters is the point
const OURS = /\u001b\[(?:3[1-6]|39|1|2|22)m/gu;
/** Any text, with what steers terminals in it more often than by chance. */
const anyText = fc
  .array(
    fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom(ESCAPES, '\u001b[32m', '\u001b[m', '\u001b]0;', '\u009b', '\u2069', '\ud800', '\r\n', '\n', '\t'),
      fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit)),
    ),
  )
  .map((parts) => parts.join(''));

describe('the door', () => {
  it('lets line feeds and tabs through, and nothing else that steers a terminal', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const shown = printable(text);
        expect(shown).not.toMatch(/[^\n\t\P{Cc}]|\p{Cf}|\p{Cs}|[\u2028\u2029]/u);
        expect(shown).not.toMatch(STEERING);
        // What can be seen stays, also behind an escape sequence that does not end.
        const seen = (from: string): string => from.replace(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029 ]/gu, '');
        expect(seen(shown)).toBe(seen(text));
      }),
    );
  });

  it('lets our own colours through, whatever text stands in them and beside them; never those of the text', async () => {
    const { good, strong, marks } = await palette(true);
    const [first = good] = await namePaints(true);
    fc.assert(
      fc.property(anyText, anyText, (inside, beside) => {
        for (const paint of [good, strong, first, ...marks]) {
          const shown = printable(`${beside}${paint(inside)}${beside}`);
          expect(shown.replace(OURS, '')).not.toMatch(STEERING);
          expect((shown.match(OURS) ?? []).length).toBe(inside === '' ? 0 : 2 * inside.split('\n').length);
        }
      }),
    );
    expect(printable(good('a\nb'))).toBe('\u001b[32ma\u001b[39m\n\u001b[32mb\u001b[39m');
    expect(printable(`${ownColor('32')}x${ownColor('31;2J\u001b]0;')}`)).toBe('\u001b[32mx');
  });

  it('shows nobody how our colours are told from theirs', async () => {
    const { good } = await palette(true);
    const marked = good('x');
    // What has come out is a colour as any other: it does not come through a second time.
    expect(printable(printable(marked))).toBe(' [32mx [39m');
  });

  it('gives colours of logs through when the log was cleaned, and no other sequence', () => {
    expect(printable(withOwnColors('\u001b[1;38;5;120mok\u001b[0m \u001b[2J\u001b[?25lx'))).toBe(
      '\u001b[1;38;5;120mok\u001b[0m  [2J [?25lx',
    );
  });

  it('writes JSON that means the same and steers nothing, and does not change it on its way out', () => {
    fc.assert(
      fc.property(
        fc.dictionary(
          anyText,
          fc.oneof(
            anyText,
            fc.json().map((text) => JSON.parse(text) as unknown),
          ),
        ),
        (value) => {
          for (const text of [documentText(value), documentText(value, 2)]) {
            expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
            expect(text).not.toMatch(STEERING);
            expect(printable(text)).toBe(text);
          }
        },
      ),
    );
    expect(documentText({ name: '\u007f\u009b\u202e\u2028\u{e0041}' })).toBe(
      '{"name":"\\u007f\\u009b\\u202e\\u2028\\udb40\\udc41"}',
    );
  });

  it('cleans stacks of bugs, too', () => {
    const failure = describeFailure(new TypeError(`${ESCAPES} is not a function`), { command: null });
    expect(failure.stack).toContain('\u001b');
    expect(printable(failureLines(failure).join('\n'))).not.toMatch(STEERING);
  });
});

/** Lines of src that have a stream in their hands themselves, and why they may. */
const PAST_THE_DOOR: Record<string, Record<string, string>> = {
  'ui/door.ts': {
    'return process.stdout.write(printable(text));': 'the door',
    'return process.stderr.write(printable(text));': 'the door',
    'return process.stdout.write(`${ERASE_ROW}${printable(text)}`);': 'the door; the sequence before it is a constant',
  },
  'ui/prompts.ts': {
    'const io = { output: process.stderr };':
      'inquirer draws; all words that go into it pass `printable` on their way in',
  },
  'cli/reporting.ts': {
    'stream: process.stderr,': 'ora draws; reporter-tty gives it nothing that has not passed `printable`',
  },
  'cli/local-terminal.ts': {
    'if (actions.includes("help")) process.stderr.write(`\\r\\n${ESCAPE_HELP}\\r\\n`);': 'a constant, in raw mode',
    'const { columns = 80, rows = 24 } = process.stdout.isTTY ? process.stdout : process.stderr;': 'only reads a size',
    'this.output.pipe(process.stdout, { end: false });': 'ssh: the machine has the terminal, as with OpenSSH',
    'if (!isClean && process.stdout.isTTY === true) process.stdout.write(this.modes.undo());':
      'switches modes back; built of numbers alone',
  },
  'cli/context.ts': {
    'stdout: process.stdout,': 'describeTerminal only reads what kind of stream it is',
    'stderr: process.stderr,': 'describeTerminal only reads what kind of stream it is',
  },
  'cli/exec-answer.ts': {
    'stdout: lines(id, process.stdout, onStdout),':
      'exec: PrefixedLines cleans for terminals; a pipe gets bytes as they are',
    'stderr: lines(id, process.stderr, onStderr),':
      'exec: PrefixedLines cleans for terminals; a pipe gets bytes as they are',
  },
  'cli/remote-run.ts': {
    'const { stdout, stderr, stdin } = process;': 'exec and ssh of one machine: its bytes are what was asked for',
    'const running = new RunningCommand(session, { stdin: local.input, stdout: local.output, stderr: process.stderr });':
      'exec and ssh of one machine: its bytes are what was asked for',
  },
  'cli/stdio-stream.ts': { 'socket.pipe(process.stdout, { end: false });': 'ssh --stdio: bytes for an SSH client' },
  'cli/streams.ts': { 'for (const stream of [process.stdout, process.stderr]) {': 'only listens for errors' },
  'cli/demo.ts': {
    'for (const stream of [process.stdout, process.stderr]) stream.on("error", () => end.abort("SIGPIPE"));':
      'only listens for errors',
    'const output = show ? "inherit" : "ignore";': 'for forgectl itself',
  },
  'cli/render-help.ts': {
    'const { write } = process.stdout;': 'a program of the build: catches what oclif prints',
    'process.stdout.write = ((chunk: string) => {': 'a program of the build: catches what oclif prints',
    'process.stdout.write = write;': 'a program of the build: catches what oclif prints',
  },
  'cli/tunnel-run.ts': {
    'stdio: ["inherit", options.outputToStderr ? 2 : "inherit", "inherit"],':
      "the user's own command, on this computer",
  },
  'cli/env-edit.ts': {
    'const child = spawn("/bin/sh", ["-c", `${editor} "$1"`, "sh", file], { stdio: ["inherit", 2, "inherit"] });':
      "the user's editor",
  },
};

/** Any way to a stream of the process, but reading what kind it is. */
const WAYS_OUT = [
  /process\.std(?:out|err)\b(?!\.(?:isTTY|columns|rows|writableNeedDrain)\b|, 'drain')/u,
  /= process;|\{[^}]*\bstd(?:out|err)\b[^}]*\} from|from '(?:node:)?console'/u,
  /\bconsole\.(?:log|error|warn|info|debug|dir|table|trace)\b(?!`)/u,
  /'inherit'/u,
  /writeSync\([12],|createWriteStream\(/u,
  /\bthis\.(?:log|warn|error|logToStderr)\(|\bux\./u,
];

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? sources(path) : path.endsWith('.ts') ? [path] : [];
  });
}

describe('the source', () => {
  it('has no way out for text past the door, but those that say why', () => {
    const found: Record<string, string[]> = {};
    for (const path of sources(SRC)) {
      const name = relative(SRC, path);
      // The pretend platform is a program of its own, and what runs on machines is no TypeScript.
      if (name.startsWith('sandbox/') || name.startsWith('instance/log-reader/')) continue;
      for (const line of readFileSync(path, 'utf8')
        .split('\n')
        .map((each) => each.trim())) {
        const isComment = /^(?:\/\/|\/?\*)/u.test(line);
        if (!isComment && WAYS_OUT.some((way) => way.test(line)))
          found[name] = [...(found[name] ?? []), line.replaceAll("'", '"')];
      }
    }
    const allowed = Object.fromEntries(
      Object.entries(PAST_THE_DOOR).map(([name, lines]) => [name, Object.keys(lines).sort()]),
    );
    for (const lines of Object.values(found)) lines.sort();
    expect(found).toEqual(allowed);
  });
});

describe('escapes in every word of a machine and of the API', () => {
  const hostile = new HostileHome();
  beforeAll(() => hostile.start({ withOther: isMost }));
  afterAll(() => hostile.stop());

  /** Each fifth of them in `npm test`. */
  const COMMANDS = [
    ...['env set web A=1 --dry-run', 'ls', 'show web', 'service ls web', 'venv ls web'],
    ...['env ls web --origin', 'offers --explain', 'cp web:none .', 'whoami', 'cost'],
    ...['upgrade web --dry-run', 'migrate web other --dry-run', 'audit', 'keys ls', 'upgrade history web'],
    ...['logs web --tail 20', 'show nobody', 'wait web --for forge --timeout 2m', 'ssh-config', 'provision status web'],
    ...['clone web --dry-run', 'launch --best --dry-run', 'venv diff web:now web:latest', 'logs web --container'],
    ...['stop web --dry-run', 'snapshot create web --dry-run', 'exec web -- true'],
  ];

  it.each(isMost ? [2, 7, 12] : [2])('come out of no pipe, in words or in JSON (seed %i)', async (seed) => {
    const lies: Lies = { seed, share: 0.35, values: 'escapes' };
    hostile.machineLies(lies);
    hostile.api.lies = { ...lies, share: 1 };
    const left = COMMANDS.filter((_, at) => isMost || at % 5 === 0).flatMap((command) => {
      const words = command.split(' ');
      return words.includes('exec') ? [words] : [words, [...words, '--json']];
    });
    await inTurns(left, async (words) => expectCleanEnd(words, await hostile.run(words), lies));
  });

  it('reach no terminal: tables, details, spinners, questions, errors', async () => {
    hostile.machineLies({ seed: 4, share: 0.3, values: 'escapes' });
    hostile.api.lies = { seed: 4, share: 1, values: 'escapes' };
    const commands: [string, { wait: string; send: string } | null][] = [
      ['ls', null],
      ['show web', null],
      ['show nobody', null],
      ['destroy web', { wait: 'y/N', send: 'n\r' }],
      ['launch', { wait: 'Which machine', send: '\u0003' }],
      ['upgrade web --dry-run', null],
      ['logs web --tail 20', null],
    ];
    for (const [command, answer] of isMost ? commands : commands.filter((_, at) => at % 2 === 1)) {
      const steps = answer === null ? [] : [{ wait: answer.wait }, { send: answer.send }];
      const { text, code } = await hostile.home.terminal(command.split(' '), steps);
      expect(code, text).not.toBe(1);
      // What our own spinners, questions and colours draw with, and nothing of theirs.
      // biome-ignore lint/suspicious/noControlCharactersInRegex: matching control characters is the point
      const rest = text.replace(/\u001b\[(?:\?(?:25|2004)[hl]|\d{0,3}[A-GK]|(?:\d{1,2})?m)|\r/gu, '');
      expect(STEERING.exec(rest.replace('\u0007', ''))?.[0] ?? null, `${command}: ${JSON.stringify(rest)}`).toBeNull();
      expect(text, command).not.toContain('\u001b[5;31;47m');
    }
  });
});
