import { setTimeout as delay } from 'node:timers/promises';
import * as vscode from 'vscode';
import type { LanguageClient } from 'vscode-languageclient/node';
import type { EngineInfo, OperationName, Params, Result, WithProgress } from '../../engine/protocol/operations.ts';
import { methodOf } from '../../engine/protocol/operations.ts';
import { guardTaskMethod, type GuardTaskParams, type GuardTaskResult } from '../../engine/protocol/language.ts';
import type { SessionListener } from './engine-connection.ts';
import { EngineError, engineErrorFrom } from './engine-error.ts';
import { errorInWords } from './error-in-words.ts';
import type { EngineExit } from './engine-process.ts';
import { EngineProcess, lastWordsMs } from './engine-process.ts';
import type { EngineProgram } from './environment.ts';

const startLimitMs = 30_000;

/** One run of the engine, from its start to its end: its process, and the connection to it. */
export class EngineSession {
  readonly info: EngineInfo;
  readonly #process: EngineProcess;
  readonly #client: LanguageClient;
  #changes = 0;

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
    // Loaded while the process starts.
    const { connectTo } = await import('./engine-connection.ts');
    const client = connectTo(engine, log, listener);
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

  /**
   * @param kind whether it is to change something, so that its end is worth waiting for
   * @throws EngineError
   */
  async request<K extends OperationName>(
    name: K,
    params: Params<K> & WithProgress,
    kind: 'look' | 'change',
    token: vscode.CancellationToken | undefined,
  ): Promise<Result<K>> {
    this.#changes += kind === 'change' ? 1 : 0;
    try {
      return await (token === undefined
        ? this.#client.sendRequest<Result<K>>(methodOf(name), params)
        : this.#client.sendRequest<Result<K>>(methodOf(name), params, token));
    } catch (error) {
      const engineError = engineErrorFrom(error, errorInWords);
      throw engineError.code === 'EngineEnded'
        ? new EngineError('EngineEnded', vscode.l10n.t('The engine ended before it answered.'), {}, { cause: error })
        : engineError;
    } finally {
      this.#changes -= kind === 'change' ? 1 : 0;
    }
  }

  /** Sends a request that is no operation. @throws EngineError */
  async guardTask(params: GuardTaskParams): Promise<GuardTaskResult> {
    try {
      return await this.#client.sendRequest<GuardTaskResult>(guardTaskMethod, params);
    } catch (error) {
      throw engineErrorFrom(error, errorInWords);
    }
  }

  /**
   * Asks the engine to end, and ends it when it does not. One that is in the middle of a change, such as saving memory, takes
   * its time: it answers when that has ended or been undone, and ends by itself, even when this window is gone by then.
   * @returns whether it goes on for that
   */
  async stop(log: vscode.LogOutputChannel): Promise<boolean> {
    try {
      await this.#client.stop();
    } catch (error) {
      if (this.#changes > 0) {
        log.info(`The engine (process ${this.info.pid}) ends once what it does has ended.`);
        return true;
      }
      log.warn('The engine did not stop when asked to', error);
    }
    await this.#process.end();
    return false;
  }
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
