import { chmod } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import type { DiskChain, NbdExport } from './exported-disk.ts';
import { ClientDropped, HandshakeInput } from './handshake-input.ts';
import { negotiate } from './handshake.ts';
import { nbdLimits } from './limits.ts';
import { prepareSocketPlace } from './socket-place.ts';
import { TransferBuffers } from './transfer-buffers.ts';
import { Transmission } from './transmission.ts';

export interface NbdServerOptions {
  /** The layer that is served, then its parents, nearest first; block status needs them all. */
  chain: DiskChain;
  /** A read-only disk is served read-only whatever this says. */
  isReadOnly: boolean;
  /** Absolute path of a Unix socket, in a folder that is private or does not exist yet; on Windows a pipe's name. */
  socketPath: string;
  /** Besides the empty name, which always means this disk. */
  exportName?: string;
  /** For people who list the server's exports. */
  description?: string;
  /** Told of what went wrong that no client can be told of. */
  onFault?: (error: unknown) => void;
}

/** A running server. The disk stays its caller's, to be closed after {@link stop}. */
export interface NbdServer {
  readonly socketPath: string;
  /** Such as `nbd+unix:///?socket=/run/…/disk.sock`, for qemu-img and libnbd's tools. */
  readonly uri: string;
  /** Clients connected at this moment. */
  readonly clientCount: number;
  /**
   * Answers what was asked already, drops the clients, makes all writes durable and removes the socket. Idempotent.
   * @throws what the disk's flush throws
   */
  stop(): Promise<void>;
}

/**
 * Serves a disk by the NBD protocol to any number of clients of this user, up to a limit.
 * @throws InvalidArgument, PermissionDenied, DiskInUse for the socket's place
 */
export async function startNbdServer(options: NbdServerOptions): Promise<NbdServer> {
  await prepareSocketPlace(options.socketPath);
  const server = new RunningServer(options);
  await server.listen();
  return server;
}

interface Client {
  socket: Socket;
  transmission: Transmission | undefined;
  /** Resolves once the client is gone and the disk's calls for it have ended. */
  served: Promise<void>;
}

class RunningServer implements NbdServer {
  readonly socketPath: string;
  readonly #disk: NbdExport;
  readonly #onFault: (error: unknown) => void;
  readonly #buffers = new TransferBuffers();
  readonly #clients = new Set<Client>();
  readonly #server: Server;
  #stopped: Promise<void> | undefined;

  constructor({ chain, isReadOnly, socketPath, exportName, description, onFault }: NbdServerOptions) {
    this.socketPath = socketPath;
    this.#disk = {
      chain,
      isReadOnly: isReadOnly || chain[0].isReadOnly,
      name: exportName ?? '',
      description: description ?? `${chain[0].format} disk`,
    };
    this.#onFault = onFault ?? (() => undefined);
    this.#server = createServer((socket) => this.#welcome(socket));
  }

  get uri(): string {
    const name = encodeURIComponent(this.#disk.name);
    return `nbd+unix:///${name}?socket=${encodeURIComponent(this.socketPath).replaceAll('%2F', '/')}`;
  }

  get clientCount(): number {
    return this.#clients.size;
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.socketPath, () => {
        this.#server.off('error', reject);
        this.#server.on('error', this.#onFault);
        resolve();
      });
    });
    if (process.platform !== 'win32') {
      await chmod(this.socketPath, 0o600);
    }
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    const clients = [...this.#clients];
    const limit = setTimeout(() => clients.forEach(({ socket }) => socket.destroy()), nbdLimits.stopMs);
    for (const { socket, transmission } of clients) {
      if (transmission === undefined) {
        socket.destroy();
      } else {
        void transmission.end();
      }
    }
    await Promise.all(clients.map(({ served }) => served));
    clearTimeout(limit);
    await closed;
    if (!this.#disk.isReadOnly) {
      await this.#disk.chain[0].flush();
    }
  }

  #welcome(socket: Socket): void {
    // A client that goes away in the middle of something is no fault; `close` follows.
    socket.on('error', () => undefined);
    if (this.#clients.size >= nbdLimits.clients || this.#stopped !== undefined) {
      socket.destroy();
      return;
    }
    const client: Client = { socket, transmission: undefined, served: Promise.resolve() };
    this.#clients.add(client);
    client.served = this.#serve(client)
      .catch((error: unknown) => {
        if (!(error instanceof ClientDropped)) {
          this.#onFault(error);
        }
      })
      .finally(() => {
        socket.destroy();
        this.#clients.delete(client);
      });
  }

  async #serve(client: Client): Promise<void> {
    const { socket } = client;
    const input = new HandshakeInput(socket);
    const limit = setTimeout(() => socket.destroy(), nbdLimits.handshakeMs);
    let agreement;
    try {
      agreement = await negotiate(socket, input, this.#disk);
    } finally {
      clearTimeout(limit);
    }
    const received = input.release();
    if (agreement === undefined) {
      await new Promise<void>((resolve) => socket.end(resolve));
      return;
    }
    client.transmission = new Transmission(socket, this.#disk, agreement, this.#buffers);
    await client.transmission.serve(received);
  }
}
