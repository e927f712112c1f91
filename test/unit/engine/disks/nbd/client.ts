import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** A client that says exactly what a test wants it to say, in numbers that are written out from the specification. */
export class NbdClient {
  readonly socket: Socket;
  #received = Buffer.alloc(0);
  #isClosed = false;
  #wake: () => void = () => undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#wake();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#isClosed = true;
      this.#wake();
    });
  }

  static async connect(socketPath: string): Promise<NbdClient> {
    const socket = connect(socketPath);
    await once(socket, 'connect');
    return new NbdClient(socket);
  }

  /** @returns the next bytes; fewer when the server has closed */
  async take(length: number): Promise<Buffer> {
    while (this.#received.length < length && !this.#isClosed) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    const taken = this.#received.subarray(0, length);
    this.#received = this.#received.subarray(length);
    return taken;
  }

  /** Waits until the server has closed. @returns what it said before */
  async end(): Promise<Buffer> {
    return this.take(Infinity);
  }

  send(...parts: Buffer[]): void {
    this.socket.write(Buffer.concat(parts));
  }

  /** Greeting and client flags. */
  async greet(clientFlags = 3): Promise<Buffer> {
    const greeting = await this.take(18);
    this.send(u32(clientFlags));
    return greeting;
  }

  /** Sends an option and takes all replies to it. */
  async option(option: number, data: Buffer = Buffer.alloc(0)): Promise<{ type: number; data: Buffer }[]> {
    this.send(Buffer.from('IHAVEOPT'), u32(option), u32(data.length), data);
    const replies = [];
    for (;;) {
      const header = await this.take(20);
      if (header.length < 20) {
        return replies;
      }
      const type = header.readUInt32BE(12);
      replies.push({ type, data: await this.take(header.readUInt32BE(16)) });
      if (type === 1 || type >= 0x80000000) {
        return replies;
      }
    }
  }

  /** The whole negotiation that libnbd and QEMU do. */
  async go(options: { structured?: boolean; contexts?: string[] } = {}): Promise<void> {
    await this.greet();
    if (options.structured === true) {
      await this.option(8);
    }
    if (options.contexts !== undefined) {
      await this.option(
        10,
        Buffer.concat([counted(''), u32(options.contexts.length), ...options.contexts.map(counted)]),
      );
    }
    await this.option(7, Buffer.concat([counted(''), u16(0)]));
  }

  request(
    type: number,
    offset: number | bigint,
    length: number,
    more: { flags?: number; cookie?: number; data?: Buffer } = {},
  ): void {
    const { flags = 0, cookie = 1, data = Buffer.alloc(0) } = more;
    this.send(u32(0x25609513), u16(flags), u16(type), u64(cookie), u64(offset), u32(length), data);
  }

  async simpleReply(dataLength = 0): Promise<{ error: number; cookie: number; data: Buffer }> {
    const header = await this.take(16);
    const error = header.readUInt32BE(4);
    return { error, cookie: Number(header.readBigUInt64BE(8)), data: await this.take(error === 0 ? dataLength : 0) };
  }

  /** All chunks of one structured reply, or a simple one as a single chunk with type -1. */
  async chunks(): Promise<{ type: number; payload: Buffer }[]> {
    const chunks = [];
    for (;;) {
      const magic = (await this.take(4)).readUInt32BE(0);
      if (magic === 0x67446698) {
        return [{ type: -1, payload: await this.take(12) }];
      }
      const header = await this.take(16);
      chunks.push({ type: header.readUInt16BE(2), payload: await this.take(header.readUInt32BE(12)) });
      if ((header.readUInt16BE(0) & 1) !== 0) {
        return chunks;
      }
    }
  }
}

export function u16(value: number): Buffer {
  const buffer = Buffer.alloc(2);
  buffer.writeUInt16BE(value);
  return buffer;
}

export function u32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32BE(value);
  return buffer;
}

export function u64(value: number | bigint): Buffer {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64BE(BigInt(value));
  return buffer;
}

/** 32 bits of length and the text. */
export function counted(text: string): Buffer {
  return Buffer.concat([u32(Buffer.byteLength(text)), Buffer.from(text)]);
}
