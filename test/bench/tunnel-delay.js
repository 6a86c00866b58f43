// A TCP line with a length: node tunnel-delay.js PORT TARGET ONE_WAY_MS. Bytes come out that much later, as fast as they went in.
import { connect, createServer } from 'node:net';

const [, , port, target, oneWayMs] = process.argv;
const OPTIONS = { noDelay: true, allowHalfOpen: true, highWaterMark: 1024 * 1024 };

/** What has come due leaves in one system call. */
function delay(from, to) {
  const waiting = [];
  let timer = null;
  const flush = () => {
    timer = null;
    const now = performance.now();
    to.cork();
    while (waiting.length > 0 && waiting[0].at <= now) {
      const { chunk } = waiting.shift();
      if (chunk === null) to.end();
      else to.write(chunk);
    }
    to.uncork();
    if (waiting.length > 0) timer = setTimeout(flush, Math.max(1, waiting[0].at - now));
  };
  const add = (chunk) => {
    waiting.push({ at: performance.now() + Number(oneWayMs), chunk });
    if (timer === null) timer = setTimeout(flush, Number(oneWayMs));
  };
  from.on('data', add);
  from.once('end', () => add(null));
  from.once('close', () => setTimeout(() => to.destroy(), Number(oneWayMs) + 50));
  from.on('error', () => {});
}

createServer(OPTIONS, (socket) => {
  const other = connect({ port: Number(target), host: '127.0.0.1', ...OPTIONS });
  delay(socket, other);
  delay(other, socket);
}).listen(Number(port), '127.0.0.1', () => process.send?.('listening'));
