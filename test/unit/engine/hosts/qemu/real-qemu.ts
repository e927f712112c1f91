import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { QmpConnection } from '../../../../../engine/hosts/qemu/qmp.ts';
import { until } from '../../../../support/vscode/until.ts';
import { folderOf } from '../../temporary-folder.ts';

/** A real QEMU without a machine, which only answers. */
export interface RealQemu {
  socket: string;
  process: ChildProcess;
  exited: Promise<unknown>;
}

/** Starts one that ends with the test at the latest. */
export async function realQemu(context: TestContext): Promise<RealQemu> {
  const socket = path.join(await folderOf(context), 'monitor.sock');
  const child = spawn(
    'qemu-system-x86_64',
    [
      ...['-machine', 'none', '-nodefaults', '-no-user-config', '-display', 'none', '-S'],
      ...['-chardev', `socket,id=m,path=${socket},server=on,wait=off`, '-mon', 'chardev=m,mode=control'],
    ],
    { stdio: 'ignore' },
  );
  context.after(() => child.kill('SIGKILL'));
  return { socket, process: child, exited: once(child, 'exit') };
}

/** Connects as soon as it listens; the connection ends with the test. */
export async function connected(context: TestContext, qemu: RealQemu): Promise<QmpConnection> {
  const connection = await until('QEMU to listen', () => QmpConnection.connect(qemu.socket).catch(() => undefined), {
    timeoutMilliseconds: 20_000,
    intervalMilliseconds: 10,
  });
  context.after(() => connection.close());
  return connection;
}
