import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createMessageConnection, StreamMessageReader, StreamMessageWriter } from 'vscode-jsonrpc/node';
import {
  changedMethod,
  methodOf,
  type ChangedParams,
  type OperationName,
  type Params,
  type Result,
} from '../../../engine/protocol/operations.ts';
import { engineFile } from '../../support/project.ts';

/** An engine of its own over standard input and output, as the extension has it. */
export interface EngineClient {
  request<K extends OperationName>(name: K, params: Params<K>): Promise<Result<K>>;
  /** What it next says has changed. */
  nextChange(): Promise<ChangedParams>;
  stop(): Promise<void>;
}

/** Whose engine it is, and a copy of the program that they may read. */
export interface EngineUser {
  id: number;
  program: string;
}

/** @param user somebody else than who runs the bench */
export async function startEngine(home: string, user?: EngineUser): Promise<EngineClient> {
  const child = spawn(process.execPath, [user?.program ?? engineFile, 'serve', '--stdio'], {
    env: { ...process.env, ...(user === undefined ? {} : { HOME: home }), VM_CHECKPOINTS_HOME: home },
    cwd: path.dirname(home),
    stdio: ['pipe', 'pipe', 'inherit'],
    ...(user === undefined ? {} : { uid: user.id, gid: user.id }),
  });
  const connection = createMessageConnection(
    new StreamMessageReader(child.stdout),
    new StreamMessageWriter(child.stdin),
  );
  connection.listen();
  // It looks whether its client lives, which another user's processes may not be asked.
  const processId = user === undefined ? process.pid : null;
  await connection.sendRequest('initialize', { processId, rootUri: null, capabilities: {} });
  await connection.sendNotification('initialized', {});
  return {
    request: (name, params) => connection.sendRequest(methodOf(name), params),
    nextChange: () =>
      new Promise((resolve) => {
        const listening = connection.onNotification(changedMethod, (changed: ChangedParams) => {
          listening.dispose();
          resolve(changed);
        });
      }),
    async stop() {
      if (child.exitCode === null && child.signalCode === null) {
        const exit = once(child, 'exit');
        child.stdin.end();
        await exit;
      }
      connection.dispose();
    },
  };
}
