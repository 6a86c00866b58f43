import { spawn } from 'node:child_process';

/** What somebody at a terminal does, one after the other. */
export type Step =
  | { wait: string }
  | { send: string }
  | { resize: [rows: number, columns: number] }
  | { signal: string }
  /** Runs a shell command here, e.g. to cut a connection. */
  | { run: string };

export interface Seen {
  text: string;
  /** As a shell has it: 128+n for a signal. */
  code: number;
  /** The terminal's own settings are as they were before. */
  isRestored: boolean;
}

/** Node has no pty; Python has. Prints one JSON document: what was shown, how it ended, whether the modes are back. */
const PTY = `
import fcntl, json, os, pty, re, select, signal, struct, subprocess, sys, termios, time
spec = json.load(sys.stdin)
master, slave = pty.openpty()
def size(rows, columns):
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))
size(spec['rows'], spec['columns'])
before = termios.tcgetattr(slave)
def child():
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
process = subprocess.Popen(spec['words'], stdin=slave, stdout=slave, stderr=slave, preexec_fn=child, env=spec['env'])
seen, at, deadline = b'', 0, time.time() + spec['limit_s']
steps, problem = list(spec['steps']), None
def read(seconds):
    global seen
    if select.select([master], [], [], seconds)[0]:
        seen += os.read(master, 65536)
while process.poll() is None and time.time() < deadline:
    read(0.05)
    while steps:
        step = steps[0]
        if 'wait' in step:
            found = seen.find(step['wait'].encode(), at)
            if found < 0: break
            at = found + len(step['wait'].encode())
        elif 'send' in step: os.write(master, step['send'].encode())
        elif 'resize' in step: size(*step['resize'])
        elif 'signal' in step: process.send_signal(getattr(signal, step['signal']))
        elif 'run' in step: subprocess.run(step['run'], shell=True, check=True, env=spec['env'])
        steps.pop(0)
late = process.poll() is None
if late: process.kill()
code = process.wait()
while select.select([master], [], [], 0.1)[0]:
    seen += os.read(master, 65536)
print(json.dumps({'text': seen.decode('utf8', 'replace'), 'code': 128 - code if code < 0 else code, 'isRestored': termios.tcgetattr(slave) == before, 'late': late, 'left': steps}))
`;

/** Runs words in a terminal of their own. Throws, with what was shown, when it took too long or a step was never reached. */
export function inTerminal(
  words: readonly string[],
  { steps, env, rows = 33, columns = 99 }: { steps: Step[]; env: NodeJS.ProcessEnv; rows?: number; columns?: number },
): Promise<Seen> {
  const child = spawn('python3', ['-c', PTY], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(
    JSON.stringify({ words, env: { TERM: 'xterm-256color', ...env }, rows, columns, steps, limit_s: 60 }),
  );
  let out = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  return new Promise((resolve, reject) => {
    child.once('close', () => {
      try {
        const seen = JSON.parse(out) as Seen & { late: boolean; left: Step[] };
        if (!seen.late && seen.left.length === 0) resolve(seen);
        else
          reject(
            new Error(`${seen.late ? 'too late' : 'ended early'}; left ${JSON.stringify(seen.left)}: ${seen.text}`),
          );
      } catch (error) {
        reject(error);
      }
    });
  });
}
