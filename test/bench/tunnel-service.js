// What both tunnels lead to. The first line says what is wanted: "get BYTES", "put BYTES", "echo", or an HTTP request.
import { createServer } from 'node:net';

const BLOCK = Buffer.alloc(256 * 1024, 'forge');
const BODY = 'x'.repeat(300);
const ANSWER = `HTTP/1.1 200 OK\r\ncontent-length: ${BODY.length}\r\n\r\n${BODY}`;

function give(socket, bytes) {
  let left = bytes;
  const write = () => {
    while (left > 0) {
      const size = Math.min(left, BLOCK.length);
      left -= size;
      if (!socket.write(size === BLOCK.length ? BLOCK : BLOCK.subarray(0, size))) break;
    }
    if (left > 0) socket.once('drain', write);
    else socket.end();
  };
  write();
}

function take(socket, bytes, already) {
  let taken = already;
  const look = () => taken >= bytes && socket.end('done');
  socket.on('data', (chunk) => {
    taken += chunk.length;
    look();
  });
  look();
}

function answer(socket, first) {
  let text = '';
  const read = (chunk) => {
    text += chunk.toString('latin1');
    for (let end = text.indexOf('\r\n\r\n'); end !== -1; end = text.indexOf('\r\n\r\n')) {
      text = text.slice(end + 4);
      socket.write(ANSWER);
    }
  };
  read(first);
  socket.on('data', read);
  socket.on('end', () => socket.end());
}

function serve(socket) {
  socket.on('error', () => {});
  socket.once('data', (chunk) => {
    const end = chunk.indexOf('\n');
    const [word, bytes] = chunk.subarray(0, end).toString('latin1').split(' ');
    const rest = chunk.subarray(end + 1);
    if (word === 'get') give(socket, Number(bytes));
    else if (word === 'put') take(socket, Number(bytes), rest.length);
    else if (word === 'echo') {
      socket.write(rest);
      socket.pipe(socket);
    } else answer(socket, chunk);
  });
}

createServer({ noDelay: true, allowHalfOpen: true }, serve).listen(Number(process.argv[2]), '127.0.0.1', () =>
  process.send?.('listening'),
);
