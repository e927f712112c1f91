/** Where the workspace's Git repository stands, as VS Code's own Git extension knows it. */
import * as vscode from 'vscode';

export interface GitHead {
  branch?: string;
  commit: string;
}

/** The part of the Git extension's API, version 1, that is read here. */
interface GitApi {
  repositories: readonly { state: { HEAD?: { name?: string; commit?: string } } }[];
}

/** Of the first repository; absent without one, or while the Git extension is not active. */
export function gitHead(): GitHead | undefined {
  const git = vscode.extensions.getExtension<{ enabled: boolean; getAPI(version: 1): GitApi }>('vscode.git');
  // Its API throws while the setting git.enabled is off.
  if (git?.isActive !== true || !git.exports.enabled) {
    return undefined;
  }
  const head = git.exports.getAPI(1).repositories[0]?.state.HEAD;
  if (head?.commit === undefined) {
    return undefined;
  }
  return { commit: head.commit, ...(head.name === undefined ? {} : { branch: head.name }) };
}
