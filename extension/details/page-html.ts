import { randomBytes } from 'node:crypto';
import * as vscode from 'vscode';

/** Where the files of the page lie. */
export function pageFolder(extensionUri: vscode.Uri): vscode.Uri {
  return vscode.Uri.joinPath(extensionUri, 'dist');
}

/** The page, still empty. It may load its own script and style and nothing else, and reach nothing on the network. */
export function pageHtml(webview: vscode.Webview, extensionUri: vscode.Uri): string {
  const nonce = randomBytes(16).toString('base64url');
  const file = (name: string): string =>
    webview.asWebviewUri(vscode.Uri.joinPath(pageFolder(extensionUri), name)).toString();
  const policy = [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    `style-src 'nonce-${nonce}'`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  return `<!DOCTYPE html>
<html lang="${vscode.env.language.replaceAll(/[^\w-]/g, '')}">
  <head>
    <meta charset="utf-8">
    <meta http-equiv="Content-Security-Policy" content="${policy}">
    <title>VM Checkpoints</title>
    <link rel="stylesheet" nonce="${nonce}" href="${file('details-page.css')}">
    <script nonce="${nonce}" defer src="${file('details.js')}"></script>
  </head>
  <body></body>
</html>
`;
}
