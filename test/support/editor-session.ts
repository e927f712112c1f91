import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { artifactsFolder, codeServerFolder, projectFolder, vsixFile } from './project.ts';
import { TestHome } from './test-home.ts';
import { startBrowser, type TestBrowser } from './vscode/browser.ts';
import { installCodeServer } from './vscode/install.ts';
import { startServer, type Server, type ServerOptions } from './vscode/server.ts';
import type { Workbench } from './vscode/workbench.ts';

/** In which way VS Code is not as it comes. */
export type EditorOptions = Pick<ServerOptions, 'language' | 'settings' | 'unpackedExtensions' | 'workspaceTrust'>;

/** A home, a real VS Code with the packaged extension, and a window on a workspace. */
export class EditorSession {
  readonly home: TestHome;
  readonly workspaceFolder: string;
  readonly workbench: Workbench;
  readonly #server: Server;
  readonly #browser: TestBrowser;

  private constructor(parts: {
    home: TestHome;
    workspaceFolder: string;
    workbench: Workbench;
    server: Server;
    browser: TestBrowser;
  }) {
    this.home = parts.home;
    this.workspaceFolder = parts.workspaceFolder;
    this.workbench = parts.workbench;
    this.#server = parts.server;
    this.#browser = parts.browser;
  }

  /**
   * @param workspace folder whose copy is opened
   * @param prepare what is to be in the home before the window opens
   */
  static async open(
    workspace: string,
    prepare: (home: TestHome) => Promise<void>,
    options: EditorOptions = {},
  ): Promise<EditorSession> {
    const home = await TestHome.withGuest();
    const folder = await mkdtemp(path.join(tmpdir(), 'ckpt-workspace-'));
    // Its name is in the title of the window, and so in pictures.
    const workspaceFolder = path.join(folder, 'project');
    let server: Server | undefined;
    let browser: TestBrowser | undefined;
    try {
      await cp(workspace, workspaceFolder, { recursive: true });
      await prepare(home);
      const codeServer = await installCodeServer('4.139.1', codeServerFolder, console.log);
      server = await startServer({
        codeServer,
        ...options,
        workspaceFolder,
        extensions: [vsixFile],
        env: { VM_CHECKPOINTS_HOME: home.folder },
        log: () => undefined,
      });
      browser = await startBrowser();
      const workbench = await browser.openWorkbench(server, { artifactsFolder, scale: 2 });
      return new EditorSession({ home, workspaceFolder, workbench, server, browser });
    } catch (error) {
      await browser?.close();
      await server?.dispose();
      await home.remove();
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** On the test workspace, with one machine that was never started, and the view of machines opened. */
  static async ofMachine(machine: string): Promise<EditorSession> {
    const session = await EditorSession.open(path.join(projectFolder, 'test/editor/workspace'), async ({ ckpt }) => {
      await ckpt.run('createMachine', ['create-machine', machine, '--image', 'playground']);
    });
    await session.workbench.openView('VM Checkpoints');
    await session.workbench.treeRow(machine);
    return session;
  }

  /** Another window on the same workspace. */
  openWindow(): Promise<Workbench> {
    return this.#browser.openWorkbench(this.#server, { artifactsFolder });
  }

  /** Ids of the engines that serve its windows (proc(5)). */
  async engines(): Promise<number[]> {
    const processes = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
    const found = await Promise.all(
      processes.map(async (pid) => {
        const [commandLine, environment] = await Promise.all(
          ['cmdline', 'environ'].map((file) => readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '')),
        );
        const serves = commandLine?.includes('engine.js\0serve') === true;
        return serves && environment?.includes(`VM_CHECKPOINTS_HOME=${this.home.folder}\0`) === true
          ? [Number(pid)]
          : [];
      }),
    );
    return found.flat();
  }

  async close(): Promise<void> {
    await this.#browser.close();
    await this.#server.dispose();
    await this.home.remove();
    await rm(path.dirname(this.workspaceFolder), { recursive: true, force: true });
  }
}
