import { connect, createServer, type Server, type Socket } from 'node:net';
import { EXIT, type ExitCode, ForgeError } from '../errors.js';
import { describeFailure } from './failure.js';
import type { ForwardDocument, ReverseDocument } from './tunnel-output.js';
import type { TunnelRequest } from './tunnel-request.js';

/** What a background tunnel tells of itself. */
export interface TunnelStatus {
  instance_id: number;
  label: string | null;
  pid: number;
  since: string;
  state: string;
  address: string | null;
  via: string | null;
  round_trip_ms: number | null;
  reconnects: number;
  last_error: { code: string; message: string } | null;
  forwards: ForwardDocument[];
  reverse: ReverseDocument[];
}

export type ControlRequest =
  | { do: 'status' }
  | { do: 'stop' }
  | ({ do: 'add' } & Pick<TunnelRequest, 'words' | 'all' | 'autoPort' | 'address' | 'anyHost' | 'reverse' | 'socks'>);

type Reply = { status: TunnelStatus } | { error: ReplyError };
interface ReplyError {
  code: string;
  message: string;
  hint: string | null;
  exit: number;
  details: Record<string, unknown>;
}

const ANSWER_LIMIT_MS = 5000;
const LONGEST_LINE = 1024 * 1024;

/** One line of JSON asks, one line answers. The socket is the user's alone. */
export async function serveControl(
  path: string,
  answer: (request: ControlRequest) => Promise<TunnelStatus>,
): Promise<Server> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    readLine(socket).then(
      async (line) => socket.end(`${JSON.stringify(await replyTo(line, answer))}\n`),
      () => socket.destroy(),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    const umask = process.umask(0o177);
    try {
      server.listen(path, resolve);
    } finally {
      process.umask(umask);
    }
  });
  return server;
}

async function replyTo(line: string, answer: (request: ControlRequest) => Promise<TunnelStatus>): Promise<Reply> {
  try {
    return { status: await answer(JSON.parse(line) as ControlRequest) };
  } catch (error) {
    const { code, message, hint, exit, details } = describeFailure(error, { command: 'tunnel' });
    return { error: { code, message, hint, exit, details } };
  }
}

/** Asks a background tunnel. Its refusal is thrown here as if it had happened here. */
export async function askTunnel(path: string, request: ControlRequest): Promise<TunnelStatus> {
  const socket = connect(path);
  socket.setTimeout(ANSWER_LIMIT_MS, () => socket.destroy(new Error('no answer in time')));
  socket.write(`${JSON.stringify(request)}\n`);
  let reply: Reply;
  try {
    reply = JSON.parse(await readLine(socket)) as Reply;
  } catch (error) {
    throw new ForgeError(`The background tunnel does not answer (${(error as Error).message}).`, {
      code: 'TUNNEL_SILENT',
      exit: EXIT.notReady,
      hint: 'forgectl tunnel stop ends it.',
    });
  } finally {
    socket.destroy();
  }
  if ('status' in reply) return reply.status;
  const { code, message, hint, exit, details } = reply.error;
  throw new ForgeError(message, { code, hint, exit: exit as ExitCode, details });
}

function readLine(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => {
      text += chunk;
      const end = text.indexOf('\n');
      if (end !== -1) resolve(text.slice(0, end));
      else if (text.length > LONGEST_LINE) reject(new Error('too long'));
    });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('it hung up')));
  });
}
