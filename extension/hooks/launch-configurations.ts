/** What launch.json, the workspace file and the user's settings say of debug sessions, read without believing it. */
import * as vscode from 'vscode';
import { readCompounds, readNames } from './compounds.ts';

export interface LaunchConfigurations {
  /** Names of the configurations. */
  configured: string[];
  /** Names of the configurations of each compound. */
  compounds: string[][];
}

export function launchConfigurations(): LaunchConfigurations {
  const places = [undefined, ...(vscode.workspace.workspaceFolders ?? []).map(({ uri }) => uri)];
  const everywhere = (list: string): unknown[] =>
    places.flatMap((place) => {
      const found = vscode.workspace.getConfiguration('launch', place).inspect<unknown>(list);
      return [found?.globalValue, found?.workspaceValue, found?.workspaceFolderValue];
    });
  return {
    configured: everywhere('configurations').flatMap(readNames),
    compounds: everywhere('compounds').flatMap(readCompounds),
  };
}
