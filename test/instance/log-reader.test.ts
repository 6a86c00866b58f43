import { rmSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LogFollower, LogMachine, until } from './support/log-machine.ts';

let machine: LogMachine;
beforeEach(() => {
  machine = new LogMachine();
});
afterEach(() => machine.remove());

function numbered(from: number, to: number): string {
  let text = '';
  for (let nth = from; nth < to; nth += 1) text += `line ${nth} of this log\n`;
  return text;
}

function numbers(from: number, to: number): string[] {
  return numbered(from, to).split('\n').slice(0, -1);
}

/** Shows where they differ, and not thousands of lines. */
function expectNumbers(texts: string[], to: number): void {
  const wanted = numbers(0, to);
  const at = wanted.findIndex((text, index) => texts[index] !== text);
  const near = at === -1 ? [wanted.length, wanted.length + 3] : [Math.max(0, at - 2), at + 4];
  expect(texts.slice(...near)).toEqual(wanted.slice(...near));
}

async function read(wish: object): Promise<LogFollower> {
  const follower = new LogFollower(machine, { follow: false, ...wish });
  await follower.converse();
  expect(follower.stderr).toBe('');
  expect(follower.stream.isDone).toBe(true);
  return follower;
}

describe('what is there', () => {
  it('the last lines are counted over the file that was moved aside', async () => {
    machine.append('forge', numbered(0, 50));
    machine.rotate('forge');
    machine.append('forge', numbered(50, 53));
    for (const [tail, first] of [
      [0, 53],
      [1, 52],
      [3, 50],
      [4, 49],
      [20, 33],
      [53, 0],
      [500, 0],
    ] as const)
      expect((await read({ tail })).texts(), String(tail)).toEqual(numbers(first, 53));
  });
});

describe('following', () => {
  let follower: LogFollower;
  let talk: Promise<void>;

  async function follow(wish: object = {}): Promise<void> {
    follower = new LogFollower(machine, wish);
    talk = follower.converse();
    await until(() => follower.caughtUp.size > 0);
  }

  async function reconnect(between: () => void): Promise<void> {
    follower.cut();
    await talk;
    between();
    talk = follower.converse();
  }

  async function expectLines(to: number): Promise<void> {
    await until(
      () => follower.texts().length >= to,
      () => `${to} lines, has ${follower.texts().length}`,
    );
    expectNumbers(follower.texts(), to);
    expect(follower.stderr).toBe('');
  }

  afterEach(async () => {
    follower.cut();
    await talk;
  });

  it('goes over a rotation, with the rest of the old file', async () => {
    machine.append('forge', numbered(0, 10));
    await follow();
    machine.append('forge', numbered(10, 20));
    machine.rotate('forge');
    machine.append('forge', numbered(20, 30));
    await expectLines(30);
    expect(follower.gaps).toEqual([]);
  });

  it('after a reconnect it goes on where it was', async () => {
    machine.append('forge', `${numbered(0, 10)}line 10`);
    await follow();
    await until(() => follower.texts().length === 10);
    await reconnect(() => machine.append('forge', ` of this log\n${numbered(11, 20)}`));
    await expectLines(20);
  });

  it('after a reconnect, over a rotation', async () => {
    machine.append('forge', numbered(0, 10));
    await follow();
    await reconnect(() => {
      machine.append('forge', numbered(10, 20));
      machine.rotate('forge');
      machine.append('forge', numbered(20, 30));
    });
    await expectLines(30);
    expect(follower.gaps).toEqual([]);
  });

  it('says that lines may be missing after two rotations without a connection, and gives what is there', async () => {
    machine.append('forge', numbered(0, 10));
    await follow();
    await until(() => follower.texts().length === 10);
    await reconnect(() => {
      machine.rotate('forge');
      machine.append('forge', numbered(10, 20));
      machine.rotate('forge');
      machine.append('forge', numbered(20, 30));
    });
    await expectLines(30);
    expect(follower.gaps).toEqual([['forge', 'lost']]);
  });

  it.each(['trim', 'trimInPlace'] as const)('goes on in a file of which only the end was kept: %s', async (trim) => {
    machine.append('forge', numbered(0, 2000));
    await follow();
    await until(() => follower.texts().length === 2000);
    machine[trim]('forge', 500);
    machine.append('forge', numbered(2000, 2010));
    await expectLines(2010);
    expect(follower.gaps).toEqual([]);
    await reconnect(() => {
      machine.append('forge', numbered(2010, 2020));
      machine[trim]('forge', 300);
      machine.append('forge', numbered(2020, 2030));
      machine.rotate('forge');
      machine.append('forge', numbered(2030, 2040));
    });
    await expectLines(2040);
    expect(follower.gaps).toEqual([]);
  });

  it('says so when a file was emptied', async () => {
    machine.append('forge', numbered(0, 10));
    await follow();
    await until(() => follower.texts().length === 10);
    writeFileSync(machine.path('forge'), numbered(10, 15));
    await expectLines(15);
    expect(follower.gaps).toEqual([['forge', 'emptied']]);
  });

  it('finds a log that came and was moved aside between two looks', async () => {
    machine.append('forge', numbered(0, 5));
    await follow();
    await until(() => follower.texts().length === 5);
    await reconnect(() => machine.rotate('forge'));
    await until(() => follower.frames.filter(({ t }) => t === 'caught_up').length === 2);
    machine.append('forge', numbered(5, 7));
    machine.rotate('forge');
    machine.append('forge', numbered(7, 9));
    await expectLines(9);
  });

  it('waits for a log that is not there, and for one that was removed', async () => {
    machine.append('caddy', 'x\n');
    await follow();
    machine.append('forge', numbered(0, 5));
    await expectLines(5);
    rmSync(machine.path('forge'));
    machine.append('forge', numbered(5, 8));
    await expectLines(8);
  });
});

describe('any order of events', () => {
  /** One: something that happens to the log. Between two looks there is at most one rotation, or lines are lost by right. */
  const event = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({ kind: fc.constant('append' as const), lines: fc.integer({ min: 1, max: 400 }) }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('half' as const), lines: fc.integer({ min: 1, max: 15 }) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('rotate' as const), lines: fc.constant(0) }) },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constantFrom('trim' as const, 'trimInPlace' as const),
        lines: fc.integer({ min: 10, max: 300 }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant('cut' as const), lines: fc.integer({ min: 0, max: 20_000 }) }),
    },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('look' as const), lines: fc.constant(0) }) },
  );

  it('each line comes once, and in order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(event, { minLength: 10, maxLength: 25 }), async (events) => {
        const log = new LogMachine();
        const follower = new LogFollower(log);
        try {
          await live(log, follower, events);
        } finally {
          follower.cut();
          log.remove();
        }
      }),
      {
        numRuns: Number(process.env['LOG_RUNS'] ?? 2),
        endOnFailure: true,
        ...(process.env['LOG_SEED'] ? { seed: Number(process.env['LOG_SEED']) } : {}),
      },
    );
  });

  async function live(
    log: LogMachine,
    follower: LogFollower,
    events: { kind: string; lines: number }[],
  ): Promise<void> {
    let written = 0;
    let seen = 0;
    let half = '';
    let rotations = 0;
    let isOver = false;
    const talking = (async () => {
      while (!isOver) await follower.converse(777);
    })();
    const look = async (): Promise<void> => {
      await until(
        () => follower.texts().length >= written,
        () => `${written} lines, has ${follower.texts().length} ${follower.stderr}`,
      );
      seen = written;
      rotations = 0;
    };
    for (const { kind, lines } of events) {
      if (kind === 'append') {
        log.append('forge', numbered(written, written + lines).slice(half.length));
        half = '';
        written += lines;
      } else if (kind === 'half' && half === '') {
        half = `line ${written} of this log`.slice(0, lines);
        log.append('forge', half);
      } else if (kind === 'rotate' && rotations === 0 && half === '') {
        log.rotate('forge');
        rotations += 1;
      } else if (kind.startsWith('trim') && half === '' && log.lineCount('forge') > written - seen + lines) {
        log[kind as 'trim']('forge', written - seen + lines);
      } else if (kind === 'cut') {
        // This connection at once, and the next one after so many bytes.
        follower.cutAfterBytes = lines;
        follower.cut();
      } else if (kind === 'look') await look();
    }
    if (half !== '') {
      log.append('forge', numbered(written, written + 1).slice(half.length));
      written += 1;
    }
    await look();
    isOver = true;
    follower.cut();
    await talking;
    expectNumbers(follower.texts(), written);
    expect(follower.stderr).toBe('');
  }
});
