# Clients whose answers end with the connection: only an orderly end is an end, and a reset is not.
# Not in Node, because libuv takes data and a reset that arrive together for an orderly end (uv__stream_io).
# argv: PORT CLIENTS SEED. Ends with stdin; prints {"whole": n, "failed": n, "wrong": [..]}.
import hashlib, http.client, json, random, sys, threading, time

PORT, CLIENTS, SEED = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
counts = {'whole': 0, 'failed': 0, 'wrong': []}
lock = threading.Lock()
over = threading.Event()


def bytes_of(seed, size):
    blocks = [hashlib.sha256(f'{seed}:{at}'.encode()).digest() * 128 for at in range(0, size, 4096)]
    return b''.join(blocks)[:size]


def ask(seed, size):
    connection = http.client.HTTPConnection('127.0.0.1', PORT, timeout=15)
    try:
        connection.request('GET', f'/{seed}/{size}/close')
        got = connection.getresponse().read()
    except TimeoutError:
        return f'hung, {size} bytes'
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return '' if got == bytes_of(seed, size) else f'{len(got)} of {size} bytes'


def client(nth):
    own = random.Random(SEED + nth)
    turn = 0
    while not over.is_set():
        turn += 1
        wrong = ask(10_000_000 + nth * 100_000 + turn, int(own.random() ** 3 * 120_000))
        with lock:
            if wrong is None:
                counts['failed'] += 1
            elif wrong == '':
                counts['whole'] += 1
            else:
                counts['wrong'].append(wrong)
        time.sleep(0.05 + own.random() * 0.1)


threads = [threading.Thread(target=client, args=(nth,)) for nth in range(CLIENTS)]
for thread in threads:
    thread.start()
sys.stdin.read()
over.set()
for thread in threads:
    thread.join()
print(json.dumps(counts))
