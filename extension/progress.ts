/** Shows that something is under way: in the view at once, and in a notification that can cancel it when it takes long. */
import * as vscode from 'vscode';
import type { ProgressParams } from '../engine/protocol/operations.ts';
import { machinesViewId } from './contributions/views.ts';

const longMs = 2000;

export interface Work {
  token: vscode.CancellationToken;
  report: (progress: ProgressParams) => void;
}

/** @param title such as `Reverting “playground”…` */
export async function withProgress<T>(title: string, work: (work: Work) => Promise<T>): Promise<T> {
  const cancellation = new vscode.CancellationTokenSource();
  const reports = new vscode.EventEmitter<ProgressParams>();
  let last: ProgressParams | undefined;
  const result = work({
    token: cancellation.token,
    report: (progress) => {
      last = progress;
      reports.fire(progress);
    },
  });
  const end = result.then(
    () => undefined,
    () => undefined,
  );
  void vscode.window.withProgress({ location: { viewId: machinesViewId } }, () => end);
  const timer = setTimeout(() => {
    void vscode.window.withProgress(
      // VS Code puts a colon and the message behind the title.
      { location: vscode.ProgressLocation.Notification, title: title.replace(/…$/, ''), cancellable: true },
      (progress, token) => {
        token.onCancellationRequested(() => cancellation.cancel());
        let shownShare = 0;
        const show = ({ message, fraction }: ProgressParams): void => {
          const share = fraction ?? shownShare;
          progress.report({ message, increment: Math.max(0, share - shownShare) * 100 });
          shownShare = Math.max(share, shownShare);
        };
        if (last !== undefined) {
          show(last);
        }
        reports.event(show);
        return end;
      },
    );
  }, longMs);
  try {
    return await result;
  } finally {
    clearTimeout(timer);
    reports.dispose();
    cancellation.dispose();
  }
}
