/**
 * On the source, beside the key, root's own: what the source's half may send. argv: the directory, how many bytes, and for
 * how many seconds. stdin: the paths, sorted, NUL after each, deflated by gzip. Done again, it begins anew.
 */
export const PYTHON_GRANT = `
import fcntl, gzip, os, shutil, sys, time

os.umask(0o077)
os.chdir(sys.argv[1])

def write(name, fill):
    with open(name + '.new', 'wb') as file:
        fill(file)
    os.rename(name + '.new', name)

with gzip.open(sys.stdin.buffer) as paths:
    write('list', lambda file: shutil.copyfileobj(paths, file, 1 << 20))
write('lease', lambda file: file.write(b'%d' % (time.time() + int(sys.argv[3]))))
# In its place, not renamed to it: halves that run take from it under its lock.
left = os.open('left', os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
fcntl.flock(left, fcntl.LOCK_EX)
os.pwrite(left, b'%020d' % int(sys.argv[2]), 0)
`;
