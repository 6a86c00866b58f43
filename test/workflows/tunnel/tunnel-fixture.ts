import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../../src/clock.ts';
import { connect } from '../../../src/ssh/connection.ts';
import { HostKeys } from '../../../src/ssh/host-keys.ts';
import type { Instance } from '../../../src/vast/model.ts';
import type { TunnelEvent } from '../../../src/workflows/tunnel/events.ts';
import type { LineDependencies, LineTimings } from '../../../src/workflows/tunnel/line.ts';
import { parseForwards } from '../../../src/workflows/tunnel/specs.ts';
import { Tunnel } from '../../../src/workflows/tunnel/tunnel.ts';
import { LoopbackSshd, newKey } from '../../ssh/support/loopback-sshd.ts';
import { StrikingLine } from '../../ssh/support/striking-line.ts';

const HOST_KEY = newKey();
export const USER_KEY = newKey();

/** An SSH server with that host key, or another machine's. */
export function openSshd(hostKey = HOST_KEY): Promise<LoopbackSshd> {
  return new LoopbackSshd({ hostKeys: [hostKey.private], authorized: [USER_KEY.public] }).listen();
}

interface FixtureOptions {
  timings?: Partial<LineTimings>;
  deps?: Partial<LineDependencies>;
  loginLimitMs?: number;
}

/** A tunnel to an SSH server of this process, through a line that can be cut. */
export class TunnelFixture {
  readonly events: TunnelEvent[] = [];
  readonly sshd: LoopbackSshd;
  readonly line: StrikingLine;
  readonly tunnel: Tunnel;
  /** What the API says; null: the contract is gone. */
  row: Instance | null;
  /** Rejects with what ended the tunnel. */
  running: Promise<never> = new Promise(() => {});
  private readonly pins = mkdtempSync(join(tmpdir(), 'forgectl-tunnel-test-'));
  private readonly listeners = new Set<() => void>();

  private constructor(sshd: LoopbackSshd, line: StrikingLine, { timings, deps, loginLimitMs = 2000 }: FixtureOptions) {
    this.sshd = sshd;
    this.line = line;
    const row = { id: 7, actualStatus: 'running', intendedStatus: 'running', statusMsg: null, isBid: false };
    this.row = row as Instance;
    const hostKeys = new HostKeys(this.pins);
    this.tunnel = new Tunnel(
      {
        readInstance: async () => this.row,
        connect: () =>
          connect({
            candidates: [{ host: '127.0.0.1', port: line.port, via: 'direct' }],
            instanceId: '7',
            identity: {
              publicKey: USER_KEY.public,
              description: 'a test key',
              path: null,
              privateKey: USER_KEY.private,
              agentSocket: null,
              passphrase: null,
            },
            hostKeys,
            timeoutMs: loginLimitMs,
          }),
        attachKey: async () => {},
        clock: systemClock,
        signal: new AbortController().signal,
        // Nearly no pauses: what is tested is not how long they are.
        random: () => 0.05,
        networkFingerprint: () => 'the same',
        ...deps,
      },
      {
        instance: row as Instance,
        tell: (event) => {
          this.events.push(event);
          for (const listener of this.listeners) listener();
        },
        ...(timings === undefined ? {} : { timings }),
      },
    );
  }

  static async open(options: FixtureOptions = {}): Promise<TunnelFixture> {
    const sshd = await openSshd();
    return new TunnelFixture(sshd, await StrikingLine.open(sshd.port), options);
  }

  /** Local ports, in the order of the words. */
  async start(...words: string[]): Promise<number[]> {
    const before = this.tunnel.forwards.length;
    await this.tunnel.listen(parseForwards(words), { all: false, autoPort: false, anyHost: false, address: null });
    this.running = this.tunnel.run();
    this.running.catch(() => {});
    return this.tunnel.forwards.slice(before).map(({ end }) => (end.kind === 'tcp' ? end.port : 0));
  }

  /** The first such event from the given place on. */
  async until<Name extends TunnelEvent['event']>(name: Name, from = 0): Promise<TunnelEvent & { event: Name }> {
    for (;;) {
      const found = this.events.slice(from).find(({ event }) => event === name);
      if (found !== undefined) return found as TunnelEvent & { event: Name };
      await new Promise<void>((resolve, reject) => {
        const listener = (): void => {
          this.listeners.delete(listener);
          resolve();
        };
        this.listeners.add(listener);
        this.running.catch(reject);
      });
    }
  }

  close(): void {
    this.tunnel.close('the test is over');
    this.line.close();
    this.sshd.close();
    rmSync(this.pins, { recursive: true, force: true });
  }
}

/** A TCP service on loopback. */
export async function listenAt(onSocket: (socket: Socket) => void): Promise<{ port: number; close(): void }> {
  const server: Server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    socket.on('error', () => {});
    onSocket(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as AddressInfo).port, close: () => server.close() };
}
