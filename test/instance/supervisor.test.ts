import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { quote } from '../../src/instance/remote-command.ts';
import { describeStatusExit, isCrashLooping, parseStatus, supervisorCommand } from '../../src/instance/supervisor.ts';

describe('supervisorctl status', () => {
  it('all states are read, and odd lines are kept', () => {
    const text = [
      '/usr/lib/python3/dist-packages/supervisor/options.py:474: UserWarning: running as root',
      'caddy                            RUNNING   pid 300, uptime 1 day, 2:03:04',
      'forge                            RUNNING   pid 12345, uptime 0:00:05',
      'jupyter                          EXITED    Nov 23 10:15 PM',
      'pyworker                         STOPPED   Not started',
      'syncthing                        STARTING  ',
      'tensorboard                      FATAL     Exited too quickly (process log may have details)',
      'workers:one                      BACKOFF   Exited too quickly',
      'cron                             STOPPING',
      'instance_portal                  UNKNOWN',
      'nonsense                         DANCING   pid 1',
      '',
    ].join('\r\n');
    const { programs, oddLines } = parseStatus(text);
    expect(programs.map(({ name, state }) => `${name} ${state}`)).toEqual([
      'caddy RUNNING',
      'forge RUNNING',
      'jupyter EXITED',
      'pyworker STOPPED',
      'syncthing STARTING',
      'tensorboard FATAL',
      'one BACKOFF',
      'cron STOPPING',
      'instance_portal UNKNOWN',
    ]);
    expect(programs[0]).toMatchObject({ pid: 300, uptimeSeconds: 93_784, group: null });
    expect(programs[1]).toMatchObject({ pid: 12_345, uptimeSeconds: 5 });
    expect(programs[6]).toMatchObject({ group: 'workers', detail: 'Exited too quickly', pid: null });
    expect(oddLines).toHaveLength(2);
  });

  it('no text makes it throw or lose a line', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.string(), fc.constantFrom('a RUNNING', 'g:a FATAL x', 'unix:///x no such file'))),
        (lines) => {
          const text = lines.join('\n');
          const { programs, oddLines } = parseStatus(text);
          expect(programs.length + oddLines.length).toBe(
            text.split(/\r?\n/u).filter((line) => line.trim() !== '').length,
          );
        },
      ),
    );
  });

  it('exit 3 is up with something down; 4 and anything else is not up', () => {
    expect([0, 3, 4, 1, 127, null].map(describeStatusExit)).toEqual([
      'all run',
      'some do not run',
      'not up',
      'not up',
      'not up',
      'not up',
    ]);
  });

  it('commands are words', () => {
    expect(quote(supervisorCommand('restart', 'forge'))).toBe('supervisorctl restart forge');
  });

  it('a program that shows RUNNING with another pid at every look is crashing', () => {
    const looks = (...pids: (number | null)[]) => pids.map((pid) => ({ pid }));
    expect(isCrashLooping(looks(1, 2, null, 3, 4))).toBe(true);
    expect(isCrashLooping(looks(1, 1, 2, 2, 3))).toBe(false);
    expect(isCrashLooping([])).toBe(false);
  });
});
