/** Reports of the engine as documents to read: Markdown that is shown rendered, and belongs to no file. */
import * as vscode from 'vscode';

const scheme = 'vm-checkpoints-report';

export class Reports implements vscode.TextDocumentContentProvider, vscode.Disposable {
  readonly #texts = new Map<string, string>();
  readonly #registration = vscode.workspace.registerTextDocumentContentProvider(scheme, this);
  #shown = 0;

  provideTextDocumentContent(uri: vscode.Uri): string | undefined {
    return this.#texts.get(uri.path);
  }

  /**
   * Shows a report, in place of an earlier one with the same title.
   * @param title of its tab
   */
  async show(title: string, markdown: string): Promise<void> {
    this.#shown += 1;
    // A preview goes on showing what it has of an address that it knows.
    const uri = vscode.Uri.from({ scheme, path: `/${title.replaceAll('/', '-')}.md`, query: String(this.#shown) });
    this.#texts.set(uri.path, markdown);
    await vscode.commands.executeCommand('markdown.showPreview', uri);
  }

  dispose(): void {
    this.#registration.dispose();
  }
}
