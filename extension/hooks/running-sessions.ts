/** The debug sessions that run, and what their debuggers ask for: known as soon as a debugger starts, before its session has. */
import * as vscode from 'vscode';
import { answeredStart, askedSession, type AskedSession } from './part-of-session.ts';

export class RunningSessions implements vscode.DebugAdapterTrackerFactory {
  /** By session, then by the number of the request that is not answered yet. */
  readonly #sessions = new Map<string, { type: string; asked: Map<number, AskedSession> }>();

  register(): vscode.Disposable {
    return vscode.Disposable.from(
      vscode.debug.registerDebugAdapterTrackerFactory('*', this),
      vscode.debug.onDidTerminateDebugSession(({ id }) => this.#sessions.delete(id)),
    );
  }

  get types(): string[] {
    return [...this.#sessions.values()].map(({ type }) => type);
  }

  get asked(): AskedSession[] {
    return [...this.#sessions.values()].flatMap(({ asked }) => [...asked.values()]);
  }

  createDebugAdapterTracker(session: vscode.DebugSession): vscode.DebugAdapterTracker {
    const asked = new Map<number, AskedSession>();
    const known = { type: session.type, asked };
    this.#sessions.set(session.id, known);
    const forget = (): void => {
      // A session that restarts has a new debugger under its old id.
      if (this.#sessions.get(session.id) === known) {
        this.#sessions.delete(session.id);
      }
    };
    return {
      onDidSendMessage: (message: unknown) => {
        const started = askedSession(message, session);
        if (started !== undefined) {
          asked.set(started.seq, started);
        }
      },
      onWillReceiveMessage: (message: unknown) => {
        const answered = answeredStart(message);
        if (answered !== undefined) {
          asked.delete(answered);
        }
      },
      onWillStopSession: forget,
      onExit: forget,
    };
  }
}
