import type { Connection } from '../../ssh/connection.js';

/** A place on a connection for one channel. */
export interface Lease {
  connection: Connection;
  /** To be called once, when the channel has ended. */
  release(): void;
}

/** The way to the machine is gone for good: whoever opens has been patient already. Its cause is what to tell. */
export class NoWay extends Error {
  constructor(cause: unknown) {
    super('no connection', { cause });
  }
}

interface Member {
  connection: Promise<Connection>;
  open: Connection | null;
  users: number;
}

/** sshd takes ten channels on a connection (MaxSessions), and somebody else may want one. */
const CHANNELS_A_CONNECTION = 8;

/**
 * Connections to one machine, opened when they are needed and again when they were lost. Several, because the window of
 * one TCP connection is what limits a long way.
 */
export class ConnectionPool {
  private readonly openOne: () => Promise<Connection>;
  private members: Member[] = [];
  private most = 1;

  constructor(open: () => Promise<Connection>) {
    this.openOne = open;
  }

  /** Spreads over so many connections from now on. */
  widen(connections: number): void {
    this.most = Math.max(this.most, connections);
  }

  async lease(): Promise<Lease> {
    this.members = this.members.filter(({ open }) => open === null || open.isOpen());
    const [idlest] = [...this.members].sort((one, other) => one.users - other.users);
    const isBusy = idlest === undefined || idlest.users > 0;
    const mayOpen = this.members.length < this.most || (idlest?.users ?? 0) >= CHANNELS_A_CONNECTION;
    const member = isBusy && mayOpen ? this.add() : idlest;
    if (member === undefined) return this.lease();
    member.users += 1;
    try {
      const connection = await member.connection;
      return { connection, release: () => this.release(member) };
    } catch (error) {
      this.release(member);
      this.members = this.members.filter((one) => one !== member);
      // A machine may refuse a second login; the first is enough to work with.
      if (!this.hasOpen()) throw new NoWay(error);
      this.most = Math.max(1, this.members.length);
      return this.lease();
    }
  }

  hasOpen(): boolean {
    return this.members.some(({ open }) => open?.isOpen());
  }

  close(): void {
    for (const { open } of this.members.splice(0)) open?.close();
  }

  private add(): Member {
    const member: Member = { connection: this.openOne(), open: null, users: 0 };
    member.connection.then(
      (connection) => {
        member.open = connection;
      },
      () => {},
    );
    this.members.push(member);
    return member;
  }

  private release(member: Member): void {
    member.users -= 1;
  }
}
