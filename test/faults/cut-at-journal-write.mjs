// Loaded into a forgectl process with --import. CUT_AT_JOURNAL_WRITE=every: right after each time that a journal gets its
// name, all connections to machines end. CUT_AT_JOURNAL_WRITE=3: right after the third time they end and no other can be
// made; whoever waits before the screen then presses Ctrl-C, and a second time when nothing comes of it. With CUT_FOR_MS
// nobody is there to press it, and the line comes back after so long (0: never).
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import net from 'node:net';
import { join } from 'node:path';

const moment = process.env['CUT_AT_JOURNAL_WRITE'] ?? '';
const api = JSON.parse(fs.readFileSync(join(process.env['FORGECTL_SANDBOX_DIR'] ?? '', 'sandbox.json'), 'utf8'));
const apiPort = Number(new URL(api.url).port);
const cutForMs = process.env['CUT_FOR_MS'];
const { rename, renameSync } = fs;
const { connect } = net.Socket.prototype;
const sockets = new Set();
let writes = 0;
let isGone = false;
let refusals = 0;

function strikeAt(path) {
  if (!/[\\/]runs[\\/].*\.json$/u.test(String(path))) return;
  writes += 1;
  if (moment !== 'every' && writes !== Number(moment)) return;
  isGone = moment !== 'every';
  if (Number(cutForMs) > 0) setTimeout(() => (isGone = false), Number(cutForMs)).unref();
  for (const socket of sockets) socket.destroy();
  sockets.clear();
}

net.Socket.prototype.connect = function connectOrRefuse(...words) {
  const first = Array.isArray(words[0]) ? words[0][0] : words[0];
  const port = Number(typeof first === 'object' ? first?.port : first);
  if (port === apiPort || !(port > 0)) return connect.apply(this, words);
  if (!isGone) {
    sockets.add(this);
    return connect.apply(this, words);
  }
  refusals += 1;
  if (cutForMs === undefined && (refusals === 1 || refusals === 6))
    setTimeout(() => process.kill(process.pid, 'SIGINT'), 20);
  const error = Object.assign(new Error(`connect ECONNREFUSED 127.0.0.1:${port}`), { code: 'ECONNREFUSED' });
  process.nextTick(() => this.destroy(error));
  return this;
};

fs.rename = (from, to, callback) => {
  rename(from, to, (error) => {
    strikeAt(to);
    callback(error);
  });
};
fs.renameSync = (from, to) => {
  renameSync(from, to);
  strikeAt(to);
};
syncBuiltinESMExports();
