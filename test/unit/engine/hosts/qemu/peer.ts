import net from 'node:net';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { folderOf } from '../../temporary-folder.ts';

/**
 * Listens on a private socket, where a hypervisor or a guest is expected, and behaves as told to each who connects.
 * @returns the socket's path
 */
export async function peer(context: TestContext, behave: (client: net.Socket) => void): Promise<string> {
  const socket = path.join(await folderOf(context), 'peer.sock');
  const clients = new Set<net.Socket>();
  const server = net.createServer((client) => {
    clients.add(client);
    client.on('error', () => undefined);
    behave(client);
  });
  context.after(() => {
    clients.forEach((client) => client.destroy());
    server.close();
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  return socket;
}
