import { execFileSync, spawnSync } from 'node:child_process';

type Program = 'ssh-keygen' | 'ssh-agent' | 'ssh-add';

/** Says so, once for each thing that could not be compared, when the computer has no OpenSSH. */
export function hasOpenSsh(what: string): boolean {
  const found = (['ssh-keygen', 'ssh-agent', 'ssh-add'] as const).every(
    (program) => spawnSync(program, ['-?'], { stdio: 'ignore' }).error === undefined,
  );
  if (!found) console.log(`not checked against OpenSSH, which is not here: ${what}`);
  return found;
}

export function openSsh(program: Program, args: string[], env: Record<string, string> = {}): string {
  return execFileSync(program, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { ...process.env, ...env },
  });
}
