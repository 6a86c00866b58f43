/**
 * What both of a passage's programs begin with: `watch(place)` ends the process when its lease is over, whatever it is in
 * the middle of. The lease is a file beside the key, the second at which it ends by this machine's own clock; the run
 * writes it anew while it works, and a run that was killed does not.
 */
export const PYTHON_LEASE = `
import os, signal, sys, time

LOOK_EVERY_S = 20

def stop(why):
    """At once: what waits in a buffer is not sent any more."""
    os.write(2, why.encode() + b'\\n')
    os._exit(3)

def watch(place, also=lambda: None):
    def look(*_):
        try:
            with open(os.path.join(place, 'lease')) as lease:
                left = int(lease.read(32)) - time.time()
        except (OSError, ValueError):
            left = 0
        if left <= 0:
            stop('the time that the run has here is over')
        also()
        # A write that waits for the other side is interrupted by it, too.
        signal.alarm(max(1, min(LOOK_EVERY_S, int(left))))
    signal.signal(signal.SIGALRM, look)
    look()
`;
