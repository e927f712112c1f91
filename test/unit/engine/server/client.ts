import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import type { TestContext } from 'node:test';
import {
  createMessageConnection,
  StreamMessageReader,
  StreamMessageWriter,
  type CancellationToken,
  type MessageConnection,
} from 'vscode-jsonrpc/node';
import {
  changedMethod,
  methodOf,
  progressMethod,
  type ChangedParams,
  type OperationName,
  type Params,
  type ProgressParams,
  type Result,
  type WithProgress,
} from '../../../../engine/protocol/operations.ts';
import { engineFile } from '../../../support/project.ts';

type EngineProcess = ChildProcessByStdio<Writable, Readable, null>;

/** A client of an engine of its own, over real standard input and output, as an editor is one. */
export class Client {
  readonly process: EngineProcess;
  readonly connection: MessageConnection;
  readonly exited: Promise<unknown>;
  readonly changes: ChangedParams[] = [];
  readonly progress: ProgressParams[] = [];
  readonly #waiting = new Set<() => void>();

  private constructor(child: EngineProcess, connection: MessageConnection) {
    this.process = child;
    this.connection = connection;
    this.exited = once(child, 'exit');
    connection.onNotification(changedMethod, (params: ChangedParams) => {
      this.changes.push(params);
      this.#waiting.forEach((wake) => wake());
    });
    connection.onNotification(progressMethod, (params: ProgressParams) => {
      this.progress.push(params);
      this.#waiting.forEach((wake) => wake());
    });
    connection.listen();
  }

  /** Starts an engine and greets it; both end with the test. */
  static async start(context: TestContext, home: string, locale?: string): Promise<Client> {
    const child = spawn(process.execPath, [engineFile, 'serve', '--stdio'], {
      env: { ...process.env, VM_CHECKPOINTS_HOME: home },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    context.after(() => child.kill('SIGKILL'));
    const connection = createMessageConnection(
      new StreamMessageReader(child.stdout),
      new StreamMessageWriter(child.stdin),
    );
    const client = new Client(child, connection);
    const greeting = { processId: process.pid, rootUri: null, capabilities: {} };
    await connection.sendRequest('initialize', { ...greeting, ...(locale === undefined ? {} : { locale }) });
    await connection.sendNotification('initialized', {});
    return client;
  }

  request<K extends OperationName>(
    name: K,
    params: Params<K> & WithProgress,
    token?: CancellationToken,
  ): Promise<Result<K>> {
    // A token that is undefined would go as a second parameter.
    return token === undefined
      ? this.connection.sendRequest(methodOf(name), params)
      : this.connection.sendRequest(methodOf(name), params, token);
  }

  /** Resolves at the first change, told from now on, that this one says yes to. */
  nextChange(isMeant: (params: ChangedParams) => boolean): Promise<ChangedParams> {
    return this.#next(this.changes, isMeant);
  }

  /** Resolves when the engine next says what it is doing. */
  nextProgress(): Promise<ProgressParams> {
    return this.#next(this.progress, () => true);
  }

  async #next<T>(heard: T[], isMeant: (params: T) => boolean): Promise<T> {
    for (let seen = heard.length; ;) {
      const found = heard.slice(seen).find(isMeant);
      if (found !== undefined) {
        return found;
      }
      seen = heard.length;
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiting.delete(wake);
          resolve();
        };
        this.#waiting.add(wake);
      });
    }
  }
}
