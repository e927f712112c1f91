// Runs inside the extension host of a real VS Code, and writes what it found where EXTENSION_HOST_REPORT says.
import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import * as vscode from 'vscode';
import { z } from 'zod';
import type { Result } from '../../../engine/protocol/operations.ts';

const machine = 'playground';

const manifest = z.object({ contributes: z.object({ commands: z.array(z.object({ command: z.string() })) }) });

const tests: [name: string, run: () => Promise<void>][] = [
  [
    'the extension activates',
    async () => {
      await extension().activate();
      assert.equal(extension().isActive, true);
    },
  ],
  [
    'the commands that are registered are those of package.json',
    async () => {
      const declared = manifest.parse(extension().packageJSON).contributes.commands.map(({ command }) => command);
      const registered = (await vscode.commands.getCommands(true)).filter((command) => isOurs(command));
      assert.deepEqual(registered.sort(), declared.sort());
    },
  ],
  [
    'a command reaches the engine: take → the checkpoint has the name',
    async () => {
      const taken = await take('first');
      assert.equal(taken?.checkpoint.name, 'first');
      assert.equal(taken.checkpoint.hasMemory, false);
    },
  ],
  [
    'the engine is killed → another one is started, and commands work again',
    async () => {
      const [before] = await engines();
      assert.ok(before !== undefined, 'an engine runs');
      process.kill(before, 'SIGKILL');
      const end = Date.now() + 30_000;
      for (;;) {
        const taken = await take('after the crash');
        if (taken !== undefined) {
          assert.equal(taken.machine.checkpoints.length, 2);
          break;
        }
        assert.ok(Date.now() < end, 'the engine came back within 30 s');
        await delay(250);
      }
      const now = await engines();
      assert.equal(now.length, 1);
      assert.notEqual(now[0], before);
    },
  ],
  [
    'the task type is known: a task of it takes a checkpoint',
    async () => {
      const tasks = await vscode.tasks.fetchTasks({ type: 'vm-checkpoint' });
      assert.ok(tasks.some((task) => task.definition['machine'] === machine));
    },
  ],
  [
    'tasks.json: a machine that there is not is warned of; machines are completed and told about; a task gets a checkpoint',
    async () => {
      const [folder] = vscode.workspace.workspaceFolders ?? [];
      assert.ok(folder !== undefined);
      const file = vscode.Uri.joinPath(folder.uri, '.vscode/tasks.json');
      await vscode.workspace.fs.writeFile(file, Buffer.from(tasksJson));
      const document = await vscode.workspace.openTextDocument(file);
      await vscode.languages.setTextDocumentLanguage(document, 'jsonc');
      await vscode.window.showTextDocument(document);
      const at = (text: string): vscode.Position => document.positionAt(tasksJson.indexOf(text) + 2);

      const end = Date.now() + 30_000;
      const ours = (): vscode.Diagnostic[] =>
        vscode.languages.getDiagnostics(file).filter(({ source }) => source === 'VM Checkpoints');
      while (ours().length === 0 && Date.now() < end) {
        await delay(100);
      }
      assert.deepEqual(
        ours().map(({ range }) => document.getText(range)),
        ['"nowhere"'],
      );

      const completions = await vscode.commands.executeCommand<vscode.CompletionList>(
        'vscode.executeCompletionItemProvider',
        file,
        at('"nowhere"'),
      );
      assert.ok(completions.items.some(({ label, detail }) => label === machine && /checkpoint/.test(detail ?? '')));

      const hovers = await vscode.commands.executeCommand<vscode.Hover[]>(
        'vscode.executeHoverProvider',
        file,
        at(`"${machine}"`),
      );
      const told = hovers
        .flatMap(({ contents }) => contents.map((one) => (one instanceof vscode.MarkdownString ? one.value : '')))
        .join('; ')
        .replaceAll('&nbsp;', ' ');
      assert.ok(told.includes(`Machine “${machine}” is stopped, with 2 checkpoints.`), told);

      const actions = await vscode.commands.executeCommand<vscode.CodeAction[]>(
        'vscode.executeCodeActionProvider',
        file,
        new vscode.Range(at('make all'), at('make all')),
      );
      const add = actions.find(({ title }) => title === 'Add checkpoint before this task');
      assert.ok(add?.edit !== undefined, actions.map(({ title }) => title).join());
      await vscode.workspace.applyEdit(add.edit);
      assert.match(document.getText(), /"label": "checkpoint of playground before build",\s*"type": "vm-checkpoint"/);
      assert.match(document.getText(), /\/\/ stays/);
    },
  ],
];

/** With a machine that there is, and one that there is not. */
const tasksJson = `{
  "version": "2.0.0",
  "tasks": [
    { "label": "one", "type": "vm-checkpoint", "machine": "nowhere" },
    { "label": "two", "type": "vm-checkpoint", "machine": "${machine}" },
    // stays
    { "label": "build", "type": "shell", "command": "make all" }
  ]
}
`;

/** Called by VS Code. */
export async function run(): Promise<void> {
  const report: string[] = [];
  let failures = 0;
  for (const [name, test] of tests) {
    try {
      await test();
      report.push(`ok ${name}`);
    } catch (error) {
      failures += 1;
      report.push(`FAILED ${name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    }
  }
  await writeFile(
    process.env['EXTENSION_HOST_REPORT'] ?? '',
    `VS Code ${vscode.version}, Node ${process.version}\n${report.join('\n')}\n`,
  );
  if (failures > 0) {
    throw new Error(report.join('\n'));
  }
}

function extension(): vscode.Extension<unknown> {
  const found = vscode.extensions.getExtension('vm-checkpoints.vm-checkpoints');
  assert.ok(found !== undefined, 'the extension is installed');
  return found;
}

/** VS Code registers commands of its own for each view and view container. */
function isOurs(command: string): boolean {
  return command.startsWith('vmCheckpoints.') && !command.startsWith('vmCheckpoints.machines.');
}

async function take(name: string): Promise<Result<'take'> | undefined> {
  return vscode.commands.executeCommand<Result<'take'> | undefined>('vmCheckpoints.take', { machine, name });
}

/** Engines that this extension host started (proc(5)). */
async function engines(): Promise<number[]> {
  const processes = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    processes.map(async (pid) => {
      const [status, commandLine] = await Promise.all(
        ['status', 'cmdline'].map((file) => readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '')),
      );
      return status?.includes(`PPid:\t${process.pid}\n`) === true && commandLine?.includes('engine.js\0serve') === true
        ? [Number(pid)]
        : [];
    }),
  );
  return found.flat();
}
