import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { startNbdServer, type NbdServer, type NbdServerOptions } from '../../../../../engine/disks/nbd/server.ts';

/** A server that ends with the test. */
export async function serve(
  context: TestContext,
  chain: NbdServerOptions['chain'],
  options: Partial<NbdServerOptions> = {},
): Promise<NbdServer> {
  const folder = await mkdtemp(path.join(tmpdir(), 'ckpt-nbd-'));
  const faults: unknown[] = [];
  const server = await startNbdServer({
    chain,
    isReadOnly: false,
    socketPath: path.join(folder, 'disk.sock'),
    onFault: (error) => faults.push(error),
    ...options,
  });
  context.after(async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
    if (faults.length > 0) {
      throw new AggregateError(faults, 'faults of the server');
    }
  });
  return server;
}
