import { connect, type Socket } from 'node:net';
import { EXIT, ForgeError } from '../errors.js';
import type { Candidate } from './login-attempt.js';

/**
 * The bare bytes of one SSH server, for a client that does its own handshake. Resolves when the server has greeted, so that
 * an address that only accepts is told from one that answers; the greeting is still in the stream.
 */
export function openRawStream({ host, port }: Candidate, timeoutMs: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, allowHalfOpen: true, noDelay: true, keepAlive: true });
    const fail = (why: string): void => {
      clearTimeout(timer);
      socket.destroy();
      reject(noGreeting(host, port, why));
    };
    const timer = setTimeout(() => fail('did not greet in time'), timeoutMs);
    const onEnd = (): void => fail('closed the connection without a greeting');
    const onError = (error: NodeJS.ErrnoException): void => fail(`cannot be reached (${error.code})`);
    socket.once('end', onEnd).once('error', onError);
    socket.once('data', (greeting) => {
      clearTimeout(timer);
      socket.pause();
      socket.off('end', onEnd).off('error', onError);
      socket.unshift(greeting);
      resolve(socket);
    });
  });
}

function noGreeting(host: string, port: number, why: string): ForgeError {
  return new ForgeError(`${host}:${port} ${why}.`, { code: 'SSH_NETWORK', exit: EXIT.sshFailed, hint: 'Try again.' });
}
