import { PYTHON_LEASE } from './python-lease.js';

/**
 * On the source, when it is the one that logs in: joins the source's half to one ssh. argv: how many words are the half's,
 * those, and the words of ssh. Ends both when its own input ends, that is when nobody listens any more.
 */
export const PYTHON_PUSH = `
import fcntl, os, subprocess, sys, threading

count = int(sys.argv[1])
half, ssh = sys.argv[2:2 + count], sys.argv[2 + count:]

def pipe():
    ends = os.pipe()
    try:
        fcntl.fcntl(ends[1], 1031, 1 << 20)
    except OSError:
        pass
    return ends

asked, answered = pipe(), pipe()
ways = [(half, asked[0], answered[1]), (ssh, answered[0], asked[1])]
running = [subprocess.Popen(words, stdin=source, stdout=target) for words, source, target in ways]
for end in asked + answered:
    os.close(end)

def stop(code):
    for one in running:
        one.kill()
    os._exit(code)

def watch():
    sys.stdin.buffer.read()
    stop(0)

threading.Thread(target=watch, daemon=True).start()
stop(3 if running[1].wait() else 0)
`;

/**
 * All that the key of the run may do on a destination that the source logs in to: hand the connection over to the one that
 * waits for it, by the number that was asked for (argv 1: the directory), and last as long as that one does, or as long as
 * the lease. It reads and writes nothing itself, and the one that waits takes its orders from the run alone.
 */
export const PYTHON_JOIN = `${PYTHON_LEASE}
import array, re, socket

number = os.environ.get('SSH_ORIGINAL_COMMAND', '')
if not re.fullmatch('[0-9]{1,16}', number):
    sys.exit('nothing of that name waits here')
os.chdir(sys.argv[1])
watch('.')
with socket.socket(socket.AF_UNIX) as door:
    door.connect(number + '.sock')
    door.sendmsg([b'.'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [0, 1]))])
    os.close(0)
    os.close(1)
    door.recv(1)
`;
