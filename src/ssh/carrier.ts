import { connect as connectTcp, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Client, ClientChannel } from 'ssh2';
import type { Connection } from './connection.js';
import { WindowCredit } from './large-window.js';
import { type MayWait, prepareForWays } from './packet-pieces.js';
import { type Inspector, type PairOptions, SocketPair, type Traffic } from './socket-pair.js';
import { SpareWays } from './spare-ways.js';

/** An address as the machine sees it. */
export interface Target {
  host: string;
  port: number;
}

interface CarryOptions {
  traffic: Traffic;
  timeoutMs: number;
  /** What the socket is told before anything else. */
  greeting?: Buffer | undefined;
  inspector?: Inspector | undefined;
  /** Opens ways to the target before they are asked for. */
  keepsSpares?: boolean;
}

const SPARE_LIMIT_MS = 10_000;

/** Of one port of the machine: each is a socket here, and there is an end to those. */
const MOST_FROM_MACHINE = 256;

type PairedWith = Pick<PairOptions, 'traffic' | 'spare' | 'inspector'>;

/** Carries sockets over one connection. */
export class Carrier {
  readonly connection: Connection;
  readonly credit = new WindowCredit();
  /** It has proved its use. */
  hasCarried = false;
  private readonly spares = new Map<string, SpareWays>();
  private mayWait: MayWait = (write) => write();

  constructor(connection: Connection) {
    this.connection = connection;
  }

  /**
   * Joins the socket with a way to the target. Rejects when there is none (SSH_CHANNEL_REFUSED: nothing listens there;
   * SSH_LOST: the connection); the socket is untouched then, and nothing of it was read.
   */
  async carry(socket: Socket, target: Target, options: CarryOptions): Promise<void> {
    const { traffic, timeoutMs, greeting, inspector, keepsSpares = false } = options;
    const spare = keepsSpares && this.connection.isOpen() ? this.sparesFor(target).take() : null;
    if (spare !== null) {
      this.pair(socket, spare.channel, { traffic, spare, inspector });
      return;
    }
    await this.openWay(target, timeoutMs, (channel) => {
      if (greeting !== undefined) socket.write(greeting);
      this.pair(socket, channel, { traffic, inspector });
    });
  }

  /**
   * Listens on the machine, and joins what comes there with an address as this computer sees it. Gives the port, which the
   * machine chooses when it is 0. Rejects with SSH_CHANNEL_REFUSED when the machine does not do that.
   */
  async listenOnMachine(end: Target, target: Target, { traffic, timeoutMs }: CarryOptions): Promise<number> {
    return this.connection.openChannel(
      `the port ${end.port} of the machine`,
      (client, done) => {
        this.mayWait = prepareForWays(client);
        client.forwardIn(end.host, end.port, (error, port) => {
          if (error === undefined) this.serve(client, { host: end.host, port }, { target, traffic });
          done(error, { end: () => {}, port });
        });
      },
      (opened: { end(): void; port: number }) => opened.port,
      { timeoutMs },
    );
  }

  /** The machine tells where a connection has come by the words it was asked with, so that two addresses of one port are two ends. */
  private serve(client: Client, end: Target, { target, traffic }: { target: Target; traffic: Traffic }): void {
    let connecting = 0;
    client.on('tcp connection', ({ destIP, destPort }, accept, reject) => {
      if (destIP !== end.host || destPort !== end.port) return;
      if (connecting + traffic.open >= MOST_FROM_MACHINE) {
        reject();
        return;
      }
      connecting += 1;
      const socket = connectTcp({ ...target, noDelay: true, allowHalfOpen: true });
      let isThere = false;
      socket.once('close', () => {
        if (!isThere) connecting -= 1;
      });
      socket.on('error', () => {
        // ssh2 throws when there is nobody left to tell.
        if (!isThere && this.connection.isOpen()) reject();
      });
      socket.once('connect', () => {
        isThere = true;
        connecting -= 1;
        if (!this.connection.isOpen()) {
          socket.destroy();
          return;
        }
        const channel = accept();
        this.connection.pace(channel);
        this.pair(socket, channel, { traffic });
      });
    });
  }

  private pair(socket: Socket, channel: ClientChannel, more: PairedWith): void {
    this.hasCarried = true;
    // It has closed while its way was being opened, and would not do so again.
    if (socket.destroyed) {
      channel.close();
      return;
    }
    const { credit, mayWait } = this;
    new SocketPair(socket, channel, { ...more, credit, mayWait, isLost: () => !this.connection.isOpen() });
  }

  private sparesFor(target: Target): SpareWays {
    const key = `${target.host}:${target.port}`;
    const known = this.spares.get(key);
    if (known !== undefined) return known;
    const made = new SpareWays((onOpened) => this.openWay(target, SPARE_LIMIT_MS, onOpened), this.credit);
    this.spares.set(key, made);
    return made;
  }

  /** A bare way, for a look at what answers there. */
  openWay(target: Target, timeoutMs: number, onOpened: (channel: ClientChannel) => void = () => {}): Promise<Duplex> {
    return this.connection.openChannel(
      `the way to ${target.host}:${target.port}`,
      (client, done) => {
        this.mayWait = prepareForWays(client);
        client.forwardOut('127.0.0.1', 0, target.host, target.port, done);
      },
      (channel: ClientChannel) => {
        channel.on('error', () => {});
        onOpened(channel);
        return channel;
      },
      { timeoutMs },
    );
  }

  /** How long one question to the machine's sshd takes, ms; asks for something that every server refuses at once. */
  async measureRoundTrip(timeoutMs: number): Promise<number> {
    const startedMs = performance.now();
    await this.connection.openChannel(
      'an answer',
      (client, done) => {
        this.mayWait = prepareForWays(client);
        client.unforwardIn('127.0.0.1', 1, () => done(undefined, { end: () => {} }));
      },
      () => null,
      { timeoutMs },
    );
    const tookMs = performance.now() - startedMs;
    const { roundTripMs } = this.credit;
    // The shortest is the distance; longer ones waited behind a download. It fades, because a laptop travels.
    this.credit.roundTripMs = roundTripMs === null ? tookMs : Math.min(tookMs, roundTripMs * 1.02);
    return tookMs;
  }
}
