/**
 * image: /usr/local/bin/log-tee, of the newer images. The portal's log keeps colours and carriage returns; the clean copy
 * and stdout, which is the container's, have neither. Above 5 MB a log is written anew with its last 1 MB.
 */
export const LOG_TEE = `import os, re, sys
PORTAL = sys.argv[1]
folder, name = os.path.split(PORTAL)
CLEAN = os.path.join(os.path.dirname(folder), name)
MOST, KEPT, EVERY = 5 * 1024 * 1024, 1024 * 1024, 512 * 1024
ESCAPES = re.compile(rb'\\x1b\\[[?]?[0-9;]*[A-Za-z]')

def open_end(path):
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

def trim(path):
    if os.fstat(files[path]).st_size <= MOST:
        return
    with open(path, 'rb') as file:
        file.seek(-KEPT, 2)
        kept = file.read()
    with open(path + '.rotate', 'wb') as file:
        file.write(kept[kept.find(b'\\n') + 1:])
    os.replace(path + '.rotate', path)
    os.close(files[path])
    files[path] = open_end(path)

files = {path: open_end(path) for path in (PORTAL, CLEAN)}
written = 0
while True:
    data = os.read(0, 65536)
    if not data:
        break
    clean = ESCAPES.sub(b'', data).replace(b'\\r\\n', b'\\n').replace(b'\\r', b'\\n')
    os.write(files[PORTAL], data)
    os.write(files[CLEAN], clean)
    os.write(1, clean)
    written += len(data)
    if written >= EVERY:
        written = 0
        for path in (PORTAL, CLEAN):
            trim(path)
`;
