/** The connection to an engine's process. Loads the library for it, which takes longer than all the rest of the extension. */
import type * as vscode from 'vscode';
import type { LanguageClientOptions } from 'vscode-languageclient/node';
import {
  CloseAction,
  ErrorAction,
  LanguageClient,
  NotificationType,
  RevealOutputChannelOn,
} from 'vscode-languageclient/node';
import type { ChangedParams, ProgressParams } from '../../engine/protocol/operations.ts';
import { changedMethod, progressMethod } from '../../engine/protocol/operations.ts';
import { spaceLowMethod, type SpaceLowParams } from '../../engine/protocol/space.ts';
import { lastWordsMs, type EngineProcess } from './engine-process.ts';

export interface SessionListener {
  changed(params: ChangedParams): void;
  progressed(params: ProgressParams): void;
  ranLowOnSpace(params: SpaceLowParams): void;
}

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

/** A client that is not started yet. */
export function connectTo(
  engine: EngineProcess,
  log: vscode.LogOutputChannel,
  listener: SessionListener,
): LanguageClient {
  const client = new QuietLanguageClient(
    'vmCheckpoints',
    'VM Checkpoints',
    () => Promise.resolve({ process: engine.child, detached: true }),
    clientOptions(engine, log),
  );
  client.onNotification(new NotificationType<ChangedParams>(changedMethod), (params) => listener.changed(params));
  client.onNotification(new NotificationType<ProgressParams>(progressMethod), (params) => listener.progressed(params));
  client.onNotification(new NotificationType<SpaceLowParams>(spaceLowMethod), (params) =>
    listener.ranLowOnSpace(params),
  );
  return client;
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
