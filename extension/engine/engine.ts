/**
 * The engine as the rest of the extension sees it: requests, what it reports by itself, and the state it is in.
 * It is one process, and is started again when it crashes; each run of it is an EngineSession.
 */
import { randomUUID } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import * as vscode from 'vscode';
import type {
  ChangedParams,
  EngineInfo,
  OperationName,
  Params,
  ProgressParams,
  Result,
} from '../../engine/protocol/operations.ts';
import type { GuardTaskParams, GuardTaskResult } from '../../engine/protocol/language.ts';
import type { SpaceLowParams } from '../../engine/protocol/space.ts';
import { EngineError } from './engine-error.ts';
import { EngineSession } from './engine-session.ts';
import type { EngineProgram } from './environment.ts';
import { RestartPolicy } from './restart-policy.ts';
import { stepText } from './step-text.ts';

export type EngineState =
  | { kind: 'stopped' }
  | { kind: 'starting' }
  | { kind: 'ready'; info: EngineInfo }
  /** `activity`: what it does, for the person waiting. */
  | { kind: 'working'; info: EngineInfo; activity: string }
  /** `reason`: sentences for the user. */
  | { kind: 'failed'; reason: string };

export interface RequestOptions {
  token?: vscode.CancellationToken;
  /** What the request does, for the status bar; absent for a request that only reads. */
  activity?: string;
  onProgress?: (progress: ProgressParams) => void;
}

/** What went wrong with the engine as a whole, told once. */
export interface EngineFailure {
  /** `crashed`: it ended although nobody asked it to. */
  kind: 'notStarted' | 'crashed';
  /** Sentences for the user. */
  reason: string;
  /** True when it was started again and is ready. */
  recovered: boolean;
}

export class Engine implements vscode.Disposable {
  readonly #program: () => EngineProgram;
  readonly #log: vscode.LogOutputChannel;
  readonly #restarts = new RestartPolicy(3, 3 * 60_000);
  readonly #stateChange = new vscode.EventEmitter<EngineState>();
  readonly #machinesChange = new vscode.EventEmitter<ChangedParams>();
  readonly #failure = new vscode.EventEmitter<EngineFailure>();
  readonly #lowSpace = new vscode.EventEmitter<SpaceLowParams>();
  readonly #activities = new Map<string, string>();
  readonly #progress = new Map<string, (progress: ProgressParams) => void>();
  #base: Exclude<EngineState, { kind: 'working' }> = { kind: 'stopped' };
  #session: EngineSession | undefined;
  /** The start that is under way, or the last one. */
  #start: Promise<unknown> | undefined;

  readonly onDidChangeState = this.#stateChange.event;
  /** Machines changed, whoever changed them. */
  readonly onDidChangeMachines = this.#machinesChange.event;
  readonly onDidFail = this.#failure.event;
  /** A volume that running machines write to is going to be full. */
  readonly onDidRunLowOnSpace = this.#lowSpace.event;

  /** @param program asked for at each start, because settings may have changed */
  constructor(program: () => EngineProgram, log: vscode.LogOutputChannel) {
    this.#program = program;
    this.#log = log;
  }

  get state(): EngineState {
    const activity = [...this.#activities.values()].at(-1);
    return this.#base.kind === 'ready' && activity !== undefined
      ? { kind: 'working', info: this.#base.info, activity }
      : this.#base;
  }

  /** What the running engine says about itself; absent while it does not run. */
  get info(): EngineInfo | undefined {
    return this.#session?.info;
  }

  /** Resolves when the engine is ready or has failed to become so; its state tells which. */
  async start(): Promise<void> {
    if (this.#base.kind !== 'stopped' && this.#base.kind !== 'failed') {
      await this.#start;
      return;
    }
    const starting = this.#startSession();
    this.#start = starting;
    const reason = await starting;
    if (reason !== undefined) {
      this.#failure.fire({ kind: 'notStarted', reason, recovered: false });
    }
  }

  /** @returns whether the process goes on until a change that it was asked for has ended */
  async stop(): Promise<boolean> {
    await this.#start;
    const session = this.#session;
    this.#session = undefined;
    this.#become({ kind: 'stopped' });
    return (await session?.stop(this.#log)) ?? false;
  }

  /** Starts a new process, with what the settings say now. @returns as {@link stop}, of the process before */
  async restart(): Promise<boolean> {
    this.#restarts.reset();
    const goesOn = await this.stop();
    await this.start();
    return goesOn;
  }

  /** @throws EngineError */
  async request<K extends OperationName>(name: K, params: Params<K>, options: RequestOptions = {}): Promise<Result<K>> {
    await this.#start;
    const session = this.#session;
    if (session === undefined) {
      throw new EngineError(
        'EngineNotRunning',
        this.#base.kind === 'failed'
          ? vscode.l10n.t('The engine is not running. {0} Restart it, or read the log.', this.#base.reason)
          : vscode.l10n.t('The engine is not running. Restart it.'),
      );
    }
    const progressId = randomUUID();
    if (options.activity !== undefined) {
      this.#activities.set(progressId, options.activity);
      this.#stateChange.fire(this.state);
    }
    if (options.onProgress !== undefined) {
      this.#progress.set(progressId, options.onProgress);
    }
    try {
      const kind = options.activity === undefined ? 'look' : 'change';
      return await session.request(name, { ...params, progressId }, kind, options.token);
    } finally {
      this.#progress.delete(progressId);
      if (this.#activities.delete(progressId)) {
        this.#stateChange.fire(this.state);
      }
    }
  }

  /** What a tasks.json is to hold so that a task depends on a checkpoint. @throws EngineError */
  async guardTask(params: GuardTaskParams): Promise<GuardTaskResult> {
    await this.#start;
    if (this.#session === undefined) {
      throw new EngineError('EngineNotRunning', vscode.l10n.t('The engine is not running. Restart it.'));
    }
    return this.#session.guardTask(params);
  }

  dispose(): void {
    this.#stateChange.dispose();
    this.#machinesChange.dispose();
    this.#failure.dispose();
    this.#lowSpace.dispose();
  }

  /** Returns why the engine did not start; nothing when it is ready. Never rejects. */
  async #startSession(): Promise<string | undefined> {
    this.#become({ kind: 'starting' });
    // To start a process holds this one up, and to load the library for the connection even more: who waits for the activation goes first.
    await nextTurn();
    try {
      const session = await EngineSession.start(this.#program(), this.#log, {
        changed: (params) => this.#machinesChange.fire(params),
        progressed: (progress) =>
          this.#progress.get(progress.progressId)?.({ ...progress, message: stepText(progress.message, vscode.l10n) }),
        ranLowOnSpace: (warning) => this.#lowSpace.fire(warning),
      });
      this.#session = session;
      this.#become({ kind: 'ready', info: session.info });
      void session.ended.then((reason) => this.#afterEnd(session, reason));
      return undefined;
    } catch (error) {
      this.#log.error('The engine did not start', error);
      const reason = error instanceof Error ? error.message : String(error);
      this.#become({ kind: 'failed', reason });
      return reason;
    }
  }

  async #afterEnd(session: EngineSession, reason: string): Promise<void> {
    if (this.#session !== session) {
      // It was asked to stop.
      return;
    }
    this.#session = undefined;
    this.#log.error(`The engine ended unexpectedly. ${reason}`);
    if (!this.#restarts.mayRestart(performance.now())) {
      this.#become({ kind: 'failed', reason });
      this.#failure.fire({ kind: 'crashed', reason, recovered: false });
      return;
    }
    const starting = this.#startSession();
    this.#start = starting;
    const notStarted = await starting;
    this.#failure.fire({ kind: 'crashed', reason: notStarted ?? reason, recovered: notStarted === undefined });
  }

  #become(state: Exclude<EngineState, { kind: 'working' }>): void {
    this.#base = state;
    this.#stateChange.fire(this.state);
  }
}
