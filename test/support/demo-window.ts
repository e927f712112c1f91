import { defaultHome } from '../../engine/store/home.ts';
import { codeServerFolder, vsixFile } from './project.ts';
import { installCodeServer } from './vscode/install.ts';
import { startServer, type Server } from './vscode/server.ts';

/**
 * Serves a VS Code for the browser, with the packaged extension, which shows the machines of the user's home.
 * @param dataFolder where that VS Code keeps its settings
 */
export async function serveDemo({
  workspaceFolder,
  dataFolder,
  log,
}: {
  workspaceFolder: string;
  dataFolder: string;
  log: (line: string) => void;
}): Promise<Server> {
  return startServer({
    codeServer: await installCodeServer('4.139.1', codeServerFolder, log),
    workspaceFolder,
    extensions: [vsixFile],
    userDataFolder: dataFolder,
    // The README of the folder has the five steps.
    settings: { 'workbench.startupEditor': 'readme' },
    // Named, since that VS Code has data folders of its own, in which the engine would look for its default.
    env: { VM_CHECKPOINTS_HOME: defaultHome().root },
    log,
  });
}
