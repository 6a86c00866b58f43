import { type ChildProcess, spawn } from 'node:child_process';
import type { Writable } from 'node:stream';
import type { PseudoTtyInfo, ServerChannel, Session, WindowChangeInfo } from 'ssh2';
import type { ProcessGroups } from './process-groups.js';
import { signalGroup } from './process-groups.js';
import { serveFiles } from './sftp-server.js';

export interface SessionEnvironment {
  root: string;
  home: string;
  python: string;
  env: Record<string, string>;
  processes: ProcessGroups;
  /** All that the login's key may do; null when it may do anything. */
  forced?: string | null;
}

/** Python has a pty in its library, Node does not. argv: rows, cols, command…; new sizes come as "rows cols" lines on fd 3. */
const PTY_RUNNER = `
import fcntl, os, pty, select, signal, struct, sys, termios
rows, cols, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
pid, master = pty.fork()
if pid == 0:
    os.close(3)
    os.environ['SSH_TTY'] = os.ttyname(0)
    os.execvp(command[0], command)
def size(rows, cols):
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack('HHHH', rows, cols, 0, 0))
size(rows, cols)
signal.signal(signal.SIGTERM, lambda *_: os.kill(pid, signal.SIGHUP))
watched, pending = [0, 3, master], b''
while True:
    for ready in select.select(watched, [], [])[0]:
        try:
            data = os.read(ready, 65536)
        except OSError:
            data = b''
        if ready == master:
            if not data:
                status = os.waitpid(pid, 0)[1]
                if os.WIFSIGNALED(status):
                    if os.WTERMSIG(status) not in (signal.SIGKILL, signal.SIGSTOP):
                        signal.signal(os.WTERMSIG(status), signal.SIG_DFL)
                    os.kill(os.getpid(), os.WTERMSIG(status))
                sys.exit(os.WEXITSTATUS(status))
            while data:
                data = data[os.write(1, data):]
        elif not data:
            watched.remove(ready)
            if ready == 0:
                os.write(master, b'\\x04')
        elif ready == 0:
            while data:
                data = data[os.write(master, data):]
        else:
            pending += data
            *lines, pending = pending.split(b'\\n')
            for line in lines:
                size(*map(int, line.split()))
                os.kill(pid, signal.SIGWINCH)
`;

/** One session of sshd: a command, a shell, or sftp, with or without a terminal. `login` are sshd's own variables. */
export function serveSession(session: Session, machine: SessionEnvironment, login: Record<string, string>): void {
  let terminal: PseudoTtyInfo | null = null;
  let child: ChildProcess | null = null;
  const env: Record<string, string> = { ...login };
  session.on('pty', (accept, _reject, info) => {
    terminal = info;
    env['TERM'] = (info as { term?: string }).term || 'xterm';
    accept?.();
  });
  session.on('env', (accept, reject, { key, val }: { key: string; val: string }) => {
    // As sshd's AcceptEnv of Debian: locale only.
    if (!/^(LANG|LC_\w+)$/u.test(key)) return reject?.();
    env[key] = val;
    accept?.();
  });
  session.on('window-change', (accept, _reject, info: WindowChangeInfo) => {
    const control = child?.stdio[3] as Writable | null | undefined;
    control?.write(`${info.rows} ${info.cols}\n`);
    accept?.();
  });
  // sshd sends no signals for root ("session signalling requires privilege separation"), so a client needs another way.
  session.on('signal', (_accept, reject) => reject?.());
  const begin = (channel: ServerChannel, words: string[]): void => {
    child = startChild(machine, words, terminal, env);
    connectChild(channel, child, terminal !== null);
  };
  const { forced = null } = machine;
  if (forced !== null) {
    for (const wish of ['exec', 'shell'] as const)
      session.on(wish, (accept: () => ServerChannel) => begin(accept(), ['bash', '-c', forced]));
    return;
  }
  session.on('exec', (accept, _reject, { command }) => begin(accept(), ['bash', '-c', command]));
  session.on('shell', (accept) => begin(accept(), terminal === null ? ['bash', '-l'] : ['bash', '-i']));
  session.on('sftp', (accept) => serveFiles(accept(), machine.root));
}

function startChild(
  machine: SessionEnvironment,
  words: string[],
  terminal: PseudoTtyInfo | null,
  env: Record<string, string>,
): ChildProcess {
  const options = { cwd: machine.home, env: { ...machine.env, ...env }, detached: true };
  const child =
    terminal === null
      ? spawn(words[0] as string, words.slice(1), { ...options, stdio: ['pipe', 'pipe', 'pipe'] })
      : spawn(machine.python, ['-c', PTY_RUNNER, String(terminal.rows || 24), String(terminal.cols || 80), ...words], {
          ...options,
          stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
        });
  machine.processes.add(child);
  return child;
}

/** Streams with back-pressure and half-close; the exit status goes out after the last byte. */
function connectChild(channel: ServerChannel, child: ChildProcess, hasTerminal: boolean): void {
  const { stdin, stdout, stderr } = child;
  stdin?.on('error', () => {});
  (child.stdio[3] as Writable | null | undefined)?.on('error', () => {});
  if (stdin !== null) channel.pipe(stdin);
  stdout?.pipe(channel, { end: false });
  stderr?.pipe(channel.stderr, { end: false });
  child.once('error', () => {
    channel.exit(127);
    channel.end();
  });
  child.once('close', (code, signal) => {
    if (signal === null) channel.exit(code ?? 0);
    else channel.exit(signal.replace(/^SIG/u, ''), false, '');
    channel.end();
  });
  channel.on('error', () => {});
  // As sshd: a terminal is hung up; without one a command goes on until it reads or writes.
  channel.once('close', () => {
    if (hasTerminal) signalGroup(child, 'SIGHUP');
    for (const stream of [stdin, stdout, stderr]) stream?.destroy();
  });
}
