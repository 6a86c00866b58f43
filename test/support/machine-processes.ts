import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';

export interface MachineProcess {
  pid: number;
  args: string;
}

/** What works in a sandbox's machine beside what its boot has started: commands over SSH, and what these left behind. Linux. */
export function guestsOf(root: string): MachineProcess[] {
  const guests: MachineProcess[] = [];
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || !isOf(pid, root) || isOfBoot(pid)) continue;
    const args = read(pid, 'cmdline').replaceAll('\0', ' ').trim();
    // A process that has ended and was not collected yet has no words.
    if (args !== '') guests.push({ pid, args });
  }
  return guests;
}

/** Command lines with `text` in them, of processes that have not ended. Not every Linux has ps, and macOS has no /proc. */
export function commandLinesWith(text: string): string[] {
  const lines = existsSync('/proc/self/cmdline')
    ? readdirSync('/proc').map((pid) => (/^\d+$/u.test(pid) ? read(Number(pid), 'cmdline').replaceAll('\0', ' ') : ''))
    : execFileSync('ps', ['-axo', 'args'], { encoding: 'utf8' }).split('\n');
  return lines.filter((line) => line.includes(text));
}

function isOf(pid: number, root: string): boolean {
  return `\0${read(pid, 'environ')}`.includes(`\0FORGECTL_ROOT=${root}\0`);
}

function isOfBoot(pid: number): boolean {
  for (let at = pid; at > 1; at = parentOf(at))
    if (/boot_default\.sh|supervisord\.py|entrypoint\.sh/u.test(read(at, 'cmdline'))) return true;
  return false;
}

function parentOf(pid: number): number {
  const stat = read(pid, 'stat');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1] ?? 0);
}

function read(pid: number, what: string): string {
  try {
    return readFileSync(`/proc/${pid}/${what}`, 'latin1');
  } catch {
    return '';
  }
}
