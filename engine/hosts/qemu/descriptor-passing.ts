import net from 'node:net';
import { libc } from '../../disks/libc.ts';
import { writeStructure, type StructureTable } from '../../disks/structure.ts';

/** unix(7): `struct sockaddr_un` of Linux. */
const addressFamilyBytes = 2;
const longestPathBytes = 108;
const unixFamily = 1;
/** socket(2): `SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK` of Linux on x64 and arm64. */
const streamSocket = 0o1 | 0o2000000 | 0o4000;

/** cmsg(3): `struct cmsghdr` of 64-bit Linux with one descriptor behind it, padded to its alignment. */
const descriptorMessage = {
  cmsg_len: { offset: 0, type: 'u64le' },
  cmsg_level: { offset: 8, type: 'u32le' },
  cmsg_type: { offset: 12, type: 'u32le' },
  descriptor: { offset: 16, type: 'u32le' },
} as const satisfies StructureTable;
const descriptorMessageBytes = 24;
const socketLevel = 1;
const rights = 1;

interface Calls {
  socket: (domain: number, type: number, protocol: number) => number;
  connect: (fd: number, address: Buffer, length: number) => number;
  sendmsg: (fd: number, message: object, flags: number) => number;
  close: (fd: number) => number;
}

const calls = load();

/** A connection over which open files can be handed to the other side (unix(7), `SCM_RIGHTS`). */
export interface DescriptorSocket {
  socket: net.Socket;
  /**
   * Sends a message with a descriptor; nothing else may wait to be sent.
   * @returns false when the other side has not read what was sent before
   */
  send: (message: string, descriptor: number) => boolean;
}

/**
 * Connects to a unix socket.
 * @returns undefined when nobody accepts the connection at once, and where descriptors cannot be passed
 */
export function connectForDescriptors(socketPath: string): DescriptorSocket | undefined {
  const name = Buffer.from(socketPath);
  if (calls === undefined || name.length >= longestPathBytes) {
    return undefined;
  }
  const address = Buffer.alloc(addressFamilyBytes + name.length + 1);
  address.writeUInt16LE(unixFamily, 0);
  name.copy(address, addressFamilyBytes);
  const fd = calls.socket(unixFamily, streamSocket, 0);
  if (fd < 0) {
    return undefined;
  }
  if (calls.connect(fd, address, address.length) !== 0) {
    calls.close(fd);
    return undefined;
  }
  const { sendmsg } = calls;
  return {
    socket: new net.Socket({ fd }),
    send: (message, descriptor) => {
      const text = Buffer.from(message);
      const control = Buffer.alloc(descriptorMessageBytes);
      writeStructure(control, descriptorMessage, {
        cmsg_len: 20n,
        cmsg_level: socketLevel,
        cmsg_type: rights,
        descriptor,
      });
      const sent = sendmsg(
        fd,
        {
          msg_name: null,
          msg_namelen: 0,
          msg_iov: [{ iov_base: text, iov_len: text.length }],
          msg_iovlen: 1,
          msg_control: control,
          msg_controllen: control.length,
          msg_flags: 0,
        },
        0,
      );
      return sent === text.length;
    },
  };
}

function load(): Calls | undefined {
  if (process.platform !== 'linux' || libc === undefined) {
    return undefined;
  }
  libc.struct('text_iovec', { iov_base: 'void *', iov_len: 'size_t' });
  libc.struct('descriptor_msghdr', {
    msg_name: 'void *',
    msg_namelen: 'uint32_t',
    msg_iov: 'text_iovec *',
    msg_iovlen: 'size_t',
    msg_control: 'void *',
    msg_controllen: 'size_t',
    msg_flags: 'int',
  });
  return {
    socket: libc.func<[domain: number, type: number, protocol: number]>(
      'int socket(int domain, int type, int protocol)',
    ),
    connect: libc.func<[fd: number, address: Buffer, length: number]>(
      'int connect(int fd, void *address, uint32_t length)',
    ),
    sendmsg: libc.func<[fd: number, message: object, flags: number]>(
      'int64_t sendmsg(int fd, descriptor_msghdr *message, int flags)',
    ),
    close: libc.func<[fd: number]>('int close(int fd)'),
  };
}
