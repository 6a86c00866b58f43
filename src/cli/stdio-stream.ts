import type { Socket } from 'node:net';
import { ForgeError } from '../errors.js';
import { nonceOf } from '../instance/host-key-line.js';
import { openRawStream } from '../ssh/raw-stream.js';
import type { Instance } from '../vast/model.js';
import { sshCandidates } from './addresses.js';
import type { ForgeContext } from './context.js';
import { openLink } from './instance-link.js';
import { isHostKeyProved, knownAddressesOf } from './machine-access.js';
import { asNoConnection } from './remote-command.js';
import { whenReaderGone } from './streams.js';

/** A remembered address that does not greet in this time is looked for anew. */
const GREETING_LIMIT_MS = 5000;

/**
 * stdin and stdout as the connection of an SSH client that does its own login (ProxyCommand). That client checks the host
 * key against our pin, so there has to be one: where none is, or the address has changed, forgectl logs in once itself.
 */
export async function pipeStdio(
  context: ForgeContext,
  instance: Instance,
  { sshKey }: { sshKey: string | null },
): Promise<void> {
  try {
    await pipeBothWays(await openStream(context, instance, sshKey));
  } catch (error) {
    throw asNoConnection(error);
  }
}

async function openStream(context: ForgeContext, instance: Instance, sshKey: string | null): Promise<Socket> {
  const id = String(instance.id);
  const { candidates, isKnown } = knownAddressesOf(context).inOrder(id, sshCandidates(instance));
  const [first] = candidates;
  if (isKnown && first !== undefined && mayDial(context, instance)) {
    const stream = await openRawStream(first, GREETING_LIMIT_MS).catch((error: unknown) => {
      if (error instanceof ForgeError) return null;
      throw error;
    });
    if (stream !== null) return stream;
  }
  const { connection } = await openLink(context, instance, { sshKey });
  connection.close();
  return openRawStream(connection.address, GREETING_LIMIT_MS);
}

/** That client checks the pin, so the pin must be the instance's own where that can be known. */
function mayDial({ hostKeys }: ForgeContext, { id, onstart }: Instance): boolean {
  return nonceOf(onstart) === null ? hostKeys.isSettled(String(id)) : isHostKeyProved(hostKeys, String(id));
}

/** Resolves when the machine has closed, or nobody reads any more. */
function pipeBothWays(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const takeBack = whenReaderGone(() => socket.destroy());
    socket.on('error', () => {});
    process.stdin.on('error', () => {});
    socket.once('close', () => {
      takeBack();
      process.stdin.destroy();
      resolve();
    });
    process.stdin.pipe(socket);
    socket.pipe(process.stdout, { end: false });
  });
}

/** While the API is down, the address of the last login is as good as any: the host key decides who answers there. */
export async function pipeStdioToLast(context: ForgeContext, id: number, reason: unknown): Promise<void> {
  const last = knownAddressesOf(context).last(String(id));
  if (last === null || !context.hostKeys.isSettled(String(id))) throw reason;
  context.reporter.warn(`The API does not answer; trying ${last.host}:${last.port}, where ${id} was last.`);
  await pipeBothWays(await openRawStream(last, GREETING_LIMIT_MS));
}
