// One measurement against one local port, in a process of its own: node tunnel-load.js PORT WHAT COUNT [BYTES].
// Prints JSON: {mb_per_s} or {p50_ms, p99_ms}.
import { connect } from 'node:net';

const [, , port, what, count, bytes] = process.argv;

function open(onData, onEnd = () => {}) {
  return new Promise((resolve, reject) => {
    // Reads into one buffer: the load must not be what is measured.
    const onread = { buffer: Buffer.allocUnsafe(256 * 1024), callback: (size, buffer) => onData(size, buffer) ?? true };
    const socket = connect({ port: Number(port), host: '127.0.0.1', noDelay: true, onread });
    socket.once('connect', () => resolve(socket));
    socket.once('end', onEnd);
    socket.once('error', reject);
  });
}

async function download(size) {
  let got = 0;
  await new Promise((resolve, reject) => {
    open(
      (length) => {
        got += length;
      },
      () => (got === size ? resolve() : reject(new Error(`${got} of ${size} bytes`))),
    ).then((socket) => socket.write(`get ${size}\n`), reject);
  });
}

async function upload(size) {
  const block = Buffer.alloc(256 * 1024, 'forge');
  await new Promise((resolve, reject) => {
    open(() => {}, resolve).then((socket) => {
      let left = size;
      const write = () => {
        while (left > 0) {
          const length = Math.min(left, block.length);
          left -= length;
          if (!socket.write(block.subarray(0, length))) break;
        }
        if (left > 0) socket.once('drain', write);
      };
      socket.write(`put ${size}\n`);
      write();
    }, reject);
  });
}

async function together(one) {
  const started = performance.now();
  await Promise.all(Array.from({ length: Number(count) }, () => one(Number(bytes))));
  const seconds = (performance.now() - started) / 1000;
  return { mb_per_s: (Number(count) * Number(bytes)) / seconds / 1e6 };
}

const REQUEST = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n';

/** One after the other; `send` goes out, and something comes back. */
async function latencies(send, isKept, greeting = '') {
  const times = [];
  let socket = null;
  for (let nth = -20; nth < Number(count); nth += 1) {
    const started = performance.now();
    await new Promise((resolve, reject) => {
      const go = (opened) => {
        socket = opened;
        socket.answered = resolve;
        socket.write(send);
      };
      const greet = (opened) => {
        if (greeting !== '') opened.write(greeting);
        go(opened);
      };
      if (isKept && socket !== null) go(socket);
      else open(() => socket.answered()).then(greet, reject);
    });
    if (nth >= 0) times.push(performance.now() - started);
    if (!isKept) socket.destroy();
  }
  socket.destroy();
  times.sort((one, other) => one - other);
  const at = (part) => times[Math.min(times.length - 1, Math.floor(times.length * part))];
  return { p50_ms: at(0.5), p99_ms: at(0.99) };
}

const MEASURES = {
  download: () => together(download),
  upload: () => together(upload),
  requests: () => latencies(REQUEST, false),
  kept: () => latencies(REQUEST, true),
  pingpong: () => latencies(Buffer.alloc(128, 'p'), true, 'echo\n'),
};

console.log(JSON.stringify(await MEASURES[what]()));
process.exit(0);
