import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** A TCP line to a server on this computer that breaks off after so many bytes of answers, without a word. */
export class CuttingLine {
  connections = 0;
  /** Of the next connections, first one first; when none is left they last. */
  readonly limits: number[] = [];
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();

  private constructor(targetPort: number) {
    this.server = createServer((near) => this.join(near, connect(targetPort, '127.0.0.1')));
  }

  static async open(targetPort: number): Promise<CuttingLine> {
    const line = new CuttingLine(targetPort);
    await new Promise<void>((resolve) => line.server.listen(0, '127.0.0.1', resolve));
    return line;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  cut(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  close(): void {
    this.server.close();
    this.cut();
  }

  private join(near: Socket, far: Socket): void {
    this.connections += 1;
    let left = this.limits.shift() ?? Number.POSITIVE_INFINITY;
    const end = (): void => {
      near.destroy();
      far.destroy();
    };
    for (const socket of [near, far]) {
      this.sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', end);
      socket.on('close', () => {
        this.sockets.delete(socket);
        end();
      });
    }
    near.pipe(far);
    far.on('data', (chunk: Buffer) => {
      const passed = chunk.subarray(0, left);
      left -= passed.length;
      near.write(passed, left > 0 ? undefined : end);
    });
  }
}
