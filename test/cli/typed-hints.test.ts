import { execFileSync } from 'node:child_process';
import { afterAll, describe, expect, it } from 'vitest';
import { launchLines } from '../../src/cli/launch-output.ts';
import { serviceNeeded } from '../../src/cli/service-words.ts';
import { TunnelRegistry } from '../../src/cli/tunnel-registry.ts';
import { ForgeError } from '../../src/errors.ts';
import type { Instance } from '../../src/vast/model.ts';
import type { LaunchResult } from '../../src/workflows/launch/launch.ts';
import { Home } from '../support/forgectl.ts';

const LABEL = `a 'b' "c" $(touch pwned) \`id\` ; & * ~`;

/** What a shell makes of a line that is copied out of a message: the words of every "forgectl …" in it. */
function wordsOf(text: string): string[][] {
  const commands = text
    .split('\n')
    .flatMap((line) => /forgectl (.*?)(?: {3}.*| --detach opens.*)?$/u.exec(line)?.[1] ?? []);
  return commands.map((command) => {
    const printed = execFileSync('bash', ['-c', `printf '%s\\0' ${command}`], { encoding: 'utf8', cwd: '/' });
    return printed.split('\0').slice(0, -1);
  });
}

function hintOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof ForgeError) return error.hint ?? '';
    throw error;
  }
  throw new Error('it did not fail');
}

describe('a command in a message is read by a shell as it is meant, whatever the label holds', () => {
  const home = new Home();
  afterAll(() => home.remove());

  it('after a launch: stop, destroy, tunnel', () => {
    const instance = {
      id: 1,
      label: LABEL,
      ports: [{ containerPort: '22/tcp', hostPort: 1 }],
      publicIpaddr: '127.0.0.1',
      sshHost: null,
    };
    const plan = { label: LABEL, price: { runningPerHourUsd: 1, stoppedPerDayUsd: 1 } };
    const readiness = { reached: 'ssh', elapsedMs: 1, costUsd: 0, instance };
    const result = { contractId: 1, plan, readiness, attempts: [] } as unknown as LaunchResult;
    const commands = wordsOf(launchLines(result).join('\n'));
    expect(commands).toEqual([
      ['tunnel', LABEL],
      ['ssh', LABEL],
      ['stop', LABEL],
      ['destroy', LABEL],
    ]);
  });

  it('when a service, a tunnel or a command is missing', async () => {
    const { hint } = serviceNeeded('service restart', { id: 1, label: LABEL } as Instance);
    expect(wordsOf((hint ?? '').replace(/ {3}\(.*/u, ''))).toEqual([['service', 'restart', LABEL, 'forge']]);
    const registry = new TunnelRegistry(home.directory, 'sandbox');
    expect(wordsOf(hintOf(() => registry.select(LABEL)))).toEqual([['tunnel', LABEL]]);
    const { error } = await home.json<{ error: { hint: string } }>(['exec', LABEL, 'ls', '$(x)']);
    expect(wordsOf(error.hint)).toEqual([['exec', LABEL, '--', 'ls', '$(x)']]);
  });
});
