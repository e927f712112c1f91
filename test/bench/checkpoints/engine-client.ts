import { spawn } from 'node:child_process';
import { once } from 'node:events';
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

export async function startEngine(home: string): Promise<EngineClient> {
  const child = spawn(process.execPath, [engineFile, 'serve', '--stdio'], {
    env: { ...process.env, VM_CHECKPOINTS_HOME: home },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const connection = createMessageConnection(
    new StreamMessageReader(child.stdout),
    new StreamMessageWriter(child.stdin),
  );
  connection.listen();
  await connection.sendRequest('initialize', { processId: process.pid, rootUri: null, capabilities: {} });
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
      const exit = once(child, 'exit');
      child.stdin.end();
      await exit;
      connection.dispose();
    },
  };
}
