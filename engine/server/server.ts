import {
  createConnection,
  ProposedFeatures,
  ResponseError,
  StreamMessageReader,
  StreamMessageWriter,
  type CancellationToken,
  type Connection,
} from 'vscode-languageserver/node';
import type { Call } from '../checkpoints/engine-context.ts';
import { parseParams } from '../checkpoints/operation-params.ts';
import type { Engine } from '../engine.ts';
import { isAbort, toWireError } from '../model/checkpoint-error.ts';
import { checkpointErrorRpcCode, type WireError } from '../protocol/errors.ts';
import type { EngineInfo, OperationName, Params, ProgressParams, Result } from '../protocol/operations.ts';
import { changedMethod, methodOf, operationNames, progressMethod } from '../protocol/operations.ts';
import { HomeWatch } from '../store/home-watch.ts';
import { ProcessWatch } from './process-watch.ts';
import { version } from '../version.ts';

const expiryCheckMs = 15 * 60 * 1000;

/** Serves one client over standard input and output until it leaves. */
export function serve(engine: Engine): void {
  const connection = createConnection(
    ProposedFeatures.all,
    new StreamMessageReader(process.stdin),
    new StreamMessageWriter(process.stdout),
  );
  connection.onInitialize(() => ({ capabilities: {}, serverInfo: { name: 'vm-checkpoints', version } }));
  for (const name of operationNames) {
    connection.onRequest(methodOf(name), (params: unknown, token: CancellationToken) =>
      answer(engine, connection, name, params, token),
    );
  }
  const homeWatch = new HomeWatch(engine.home, (machines) => {
    void connection.sendNotification(changedMethod, machines === undefined ? {} : { machines });
  });
  const processWatch = new ProcessWatch(engine.service, (machine) => homeWatch.touch(machine));
  connection.onInitialized(() => {
    homeWatch.start();
    processWatch.start();
    void engine.service.expire(new Date());
  });
  const expiry = setInterval(() => void engine.service.expire(new Date()), expiryCheckMs);
  connection.onShutdown(() => {
    clearInterval(expiry);
    processWatch.close();
    homeWatch.close();
  });
  connection.listen();
  engine.log.info(`Engine ${version} serves ${engine.home.root}.`);
}

async function answer<K extends OperationName>(
  engine: Engine,
  connection: Connection,
  name: K,
  received: unknown,
  token: CancellationToken,
): Promise<Result<K> | ResponseError<WireError>> {
  const cancel = new AbortController();
  const listening = token.onCancellationRequested(() => cancel.abort());
  try {
    const { progressId, ...params } = separateProgress(received);
    const call: Call = {
      signal: cancel.signal,
      report: (message, fraction) => {
        if (progressId !== undefined) {
          const progress: ProgressParams = { progressId, message, ...(fraction === undefined ? {} : { fraction }) };
          void connection.sendNotification(progressMethod, progress);
        }
      },
    };
    return await perform(engine, name, parseParams(name, params), call);
  } catch (error) {
    const wire = toWireError(error);
    if (wire.code === 'Internal' && !isAbort(error)) {
      engine.log.error(`${name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    }
    return new ResponseError(checkpointErrorRpcCode, wire.message, wire);
  } finally {
    listening.dispose();
  }
}

function separateProgress(received: unknown): { progressId?: string; [param: string]: unknown } {
  if (typeof received !== 'object' || received === null) {
    return {};
  }
  const { progressId, ...params }: { progressId?: unknown } = received;
  return typeof progressId === 'string' ? { ...params, progressId } : params;
}

/** Runs an operation by name, whichever face asked. */
export async function perform<K extends OperationName>(
  engine: Engine,
  name: K,
  params: Params<K>,
  call: Call,
): Promise<Result<K>> {
  const operations: { [N in OperationName]: (params: Params<N>, call: Call) => Promise<Result<N>> } = {
    about: async () => about(engine),
    list: () => engine.service.list(),
    show: (given) => engine.service.show(given),
    images: () => engine.service.images(),
    createMachine: (given, how) => engine.service.createMachine(given, how),
    addMachine: (given, how) => engine.service.addMachine(given, how),
    removeMachine: (given) => engine.service.removeMachine(given),
    start: (given, how) => engine.service.start(given, how),
    stop: (given, how) => engine.service.stop(given, how),
    pause: (given) => engine.service.pause(given),
    resume: (given) => engine.service.resume(given),
    take: (given, how) => engine.service.take(given, how),
    apply: (given, how) => engine.service.apply(given, how),
    revert: (given, how) => engine.service.revert(given, how),
    undo: (given, how) => engine.service.undo(given, how),
    delete: (given) => engine.service.delete(given),
    rename: (given) => engine.service.rename(given),
  };
  return operations[name](params, call);
}

function about(engine: Engine): EngineInfo {
  return { version, pid: process.pid, node: process.version, home: engine.home.root, logFile: engine.log.file };
}
