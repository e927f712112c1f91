import { setTimeout as delay } from 'node:timers/promises';
import * as vscode from 'vscode';
import type { LanguageClientOptions } from 'vscode-languageclient/node';
import {
  CloseAction,
  ErrorAction,
  LanguageClient,
  NotificationType,
  RevealOutputChannelOn,
} from 'vscode-languageclient/node';
import type {
  ChangedParams,
  EngineInfo,
  OperationName,
  Params,
  ProgressParams,
  Result,
  WithProgress,
} from '../../engine/protocol/operations.ts';
import { changedMethod, methodOf, progressMethod } from '../../engine/protocol/operations.ts';
import { guardTaskMethod, type GuardTaskParams, type GuardTaskResult } from '../../engine/protocol/language.ts';
import { spaceLowMethod, type SpaceLowParams } from '../../engine/protocol/space.ts';
import { EngineError, engineErrorFrom } from './engine-error.ts';
import type { EngineExit } from './engine-process.ts';
import { EngineProcess } from './engine-process.ts';
import type { EngineProgram } from './environment.ts';

const startLimitMs = 30_000;
/** How long a process whose connection was lost has to end by itself, so that its exit code can be told. */
const lastWordsMs = 1000;

/** Logs what the library would put in front of the user: what happens to the engine is told once, by engine-notices.ts. */
class QuietLanguageClient extends LanguageClient {
  override error(message: string, data?: unknown): void {
    super.error(message, data, false);
  }

  override warn(message: string, data?: unknown): void {
    super.warn(message, data, false);
  }

  override info(message: string, data?: unknown): void {
    super.info(message, data, false);
  }
}

/** Files in which machines and checkpoints are named. */
const namingFiles = [
  { language: 'jsonc', pattern: '**/.vscode/{tasks,launch,settings}.json' },
  { language: 'jsonc', pattern: '**/*.code-workspace' },
  { language: 'jsonc', scheme: 'vscode-userdata' },
] as const;

export interface SessionListener {
  changed(params: ChangedParams): void;
  progressed(params: ProgressParams): void;
  ranLowOnSpace(params: SpaceLowParams): void;
}

/** One run of the engine, from its start to its end: its process, and the connection to it. */
export class EngineSession {
  readonly info: EngineInfo;
  readonly #process: EngineProcess;
  readonly #client: LanguageClient;

  private constructor(process: EngineProcess, client: LanguageClient, info: EngineInfo) {
    this.#process = process;
    this.#client = client;
    this.info = info;
  }

  /** Rejects with a reason for the user when the engine ends, or does not answer, before it is ready. */
  static async start(
    program: EngineProgram,
    log: vscode.LogOutputChannel,
    listener: SessionListener,
  ): Promise<EngineSession> {
    log.info(`Starting ${program.node} ${program.script} serve --stdio`);
    const engine = new EngineProcess(program, log);
    const client = new QuietLanguageClient(
      'vmCheckpoints',
      'VM Checkpoints',
      () => Promise.resolve({ process: engine.child, detached: true }),
      clientOptions(engine, log),
    );
    client.onNotification(new NotificationType<ChangedParams>(changedMethod), (params) => listener.changed(params));
    client.onNotification(new NotificationType<ProgressParams>(progressMethod), (params) =>
      listener.progressed(params),
    );
    client.onNotification(new NotificationType<SpaceLowParams>(spaceLowMethod), (params) =>
      listener.ranLowOnSpace(params),
    );

    try {
      await within(startLimitMs, client.start());
      const info = await within(startLimitMs, client.sendRequest<EngineInfo>(methodOf('about'), {}));
      log.info(`Engine ${info.version} is ready: process ${info.pid}, home ${info.home}, log ${info.logFile}`);
      return new EngineSession(engine, client, info);
    } catch (error) {
      // How the process ended says more than that the connection to it was lost.
      const end = await Promise.race([engine.exit, delay(lastWordsMs, undefined)]);
      engine.kill();
      throw end === undefined ? error : new Error(end, { cause: error });
    }
  }

  /** How this session ended; never rejects. */
  get ended(): Promise<EngineExit> {
    return this.#process.exit;
  }

  /** @throws EngineError */
  async request<K extends OperationName>(
    name: K,
    params: Params<K> & WithProgress,
    token: vscode.CancellationToken | undefined,
  ): Promise<Result<K>> {
    try {
      return await (token === undefined
        ? this.#client.sendRequest<Result<K>>(methodOf(name), params)
        : this.#client.sendRequest<Result<K>>(methodOf(name), params, token));
    } catch (error) {
      const engineError = engineErrorFrom(error);
      throw engineError.code === 'EngineEnded'
        ? new EngineError('EngineEnded', vscode.l10n.t('The engine ended before it answered.'), {}, { cause: error })
        : engineError;
    }
  }

  /** Sends a request that is no operation. @throws EngineError */
  async guardTask(params: GuardTaskParams): Promise<GuardTaskResult> {
    try {
      return await this.#client.sendRequest<GuardTaskResult>(guardTaskMethod, params);
    } catch (error) {
      throw engineErrorFrom(error);
    }
  }

  /** Asks the engine to end, and ends it when it does not. */
  async stop(log: vscode.LogOutputChannel): Promise<void> {
    try {
      await this.#client.stop();
    } catch (error) {
      log.warn('The engine did not stop when asked to', error);
    }
    await this.#process.end();
  }
}

function clientOptions(engine: EngineProcess, log: vscode.LogOutputChannel): LanguageClientOptions {
  return {
    documentSelector: [...namingFiles],
    outputChannel: log,
    traceOutputChannel: log,
    revealOutputChannelOn: RevealOutputChannelOn.Never,
    // Starting again is decided in engine.ts, with a new process.
    errorHandler: {
      error: () => ({ action: ErrorAction.Continue, handled: true }),
      closed: () => {
        // Without a connection the process serves nobody; its end is what is reported.
        void engine.end(lastWordsMs);
        return { action: CloseAction.DoNotRestart, handled: true, message: 'The connection to the engine was lost.' };
      },
    },
    initializationFailedHandler: () => false,
    stdioOptions: {
      // The process reads its own error output; over stdio the other stream is the connection.
      stdout: () => undefined,
      stderr: () => undefined,
    },
  };
}

/** Rejects with a reason for the user when a step of the start takes too long. */
async function within<T>(limitMs: number, step: Promise<T>): Promise<T> {
  const limit = new AbortController();
  const late = delay(limitMs, undefined, { signal: limit.signal }).then(() => {
    throw new Error(vscode.l10n.t('It did not answer within {0} seconds.', limitMs / 1000));
  });
  try {
    return await Promise.race([step, late]);
  } finally {
    late.catch(() => undefined);
    limit.abort();
  }
}
