import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Who listens on a TCP port of this computer; null when the system does not tell. */
export function findPortHolder(port: number): { pid: number; name: string } | null {
  try {
    const pid = process.platform === 'linux' ? holderOnLinux(port) : holderByLsof(port);
    return pid === null ? null : { pid, name: nameOf(pid) };
  } catch {
    return null;
  }
}

const LISTEN = '0A';

function holderOnLinux(port: number): number | null {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0');
  const sockets = ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((table) => listeningOn(table, wanted));
  if (sockets.length === 0) return null;
  const names = new Set(sockets.map((inode) => `socket:[${inode}]`));
  return (
    readdirSync('/proc')
      .filter((name) => /^\d+$/u.test(name))
      .map(Number)
      .find((pid) => holdsAny(pid, names)) ?? null
  );
}

/** Inodes of the sockets that listen on the port, which the table writes in hex. */
function listeningOn(table: string, port: string): string[] {
  return readFileSync(table, 'utf8')
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/u))
    .filter((fields) => fields[3] === LISTEN && fields[1]?.endsWith(`:${port}`))
    .flatMap((fields) => fields[9] ?? []);
}

/** Other users' processes cannot be looked into. */
function holdsAny(pid: number, names: ReadonlySet<string>): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => {
      try {
        return names.has(readlinkSync(`/proc/${pid}/fd/${fd}`));
      } catch {
        return false;
      }
    });
  } catch {
    return false;
  }
}

function holderByLsof(port: number): number | null {
  const text = execFileSync('lsof', ['-nP', `-iTCP:${port}`, '-sTCP:LISTEN', '-t'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: 3000,
  });
  return Number(text.split('\n')[0]) || null;
}

function nameOf(pid: number): string {
  const name =
    process.platform === 'linux'
      ? readFileSync(`/proc/${pid}/comm`, 'utf8')
      : execFileSync('ps', ['-o', 'comm=', '-p', String(pid)], { encoding: 'utf8', stdio: 'pipe' });
  // A process may call itself whatever it likes.
  return (name.trim().split('/').at(-1) ?? '').replace(/[\p{Cc}\p{Cf}]+/gu, ' ').slice(0, 60) || 'somebody';
}
