import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import type { CheckpointInfo } from '../../engine/protocol/machines.ts';
import { EditorSession } from '../support/editor-session.ts';
import { projectFolder } from '../support/project.ts';
import { until } from '../support/vscode/until.ts';
import type { Workbench } from '../support/vscode/workbench.ts';

const machine = 'playground';
const view = 'VM Checkpoints';
const long = { timeoutMilliseconds: 90_000 };

/** What the README says under a heading, up to the next one, and the first JSON in it. */
async function readmeUnder(heading: string): Promise<{ text: string; json: string }> {
  const readme = await readFile(path.join(projectFolder, 'README.md'), 'utf8');
  const [, after = ''] = readme.split(`\n### ${heading}\n`);
  const [text = ''] = after.split(/\n##/);
  const [, json] = /\n```json\n([^]*?)```\n/.exec(text) ?? [];
  assert.ok(json !== undefined, `the README has JSON under “${heading}”`);
  return { text, json };
}

describe('a hook that blocks, as the README says it', () => {
  let session: EditorSession;
  let workbench: Workbench;

  before(async () => {
    session = await EditorSession.open(path.join(import.meta.dirname, 'readme-workspace'), async ({ ckpt }) => {
      await ckpt.run('createMachine', ['create-machine', machine, '--image', 'playground']);
    });
    workbench = session.workbench;
    await workbench.openView(view);
    await workbench.treeRow(machine);
  });
  after(() => session.close());

  const inWorkspace = (file: string): Promise<string> =>
    readFile(path.join(session.workspaceFolder, file), 'utf8').catch(() => '');
  const runs = async (): Promise<number> => (await inWorkspace('ran.txt')).split('\n').length - 1;
  const checkpoints = async (): Promise<CheckpointInfo[]> =>
    (await session.home.ckpt.run('show', ['show', machine])).machine.checkpoints;

  const makeFile = async (file: string): Promise<void> => {
    await workbench.runCommand('File: New File...');
    const name = workbench.page.locator('.explorer-folders-view .monaco-inputbox input');
    await name.fill(file);
    await name.press('Enter');
    await workbench.page.locator('.tab.active', { hasText: path.basename(file) }).waitFor();
  };
  /** In place of what is in the file that is open. */
  const pasteAndSave = async (file: string, text: string): Promise<void> => {
    await workbench.page.evaluate(`navigator.clipboard.writeText(${JSON.stringify(text)})`);
    await workbench.page.locator('.editor-instance .view-lines').first().click();
    await workbench.page.keyboard.press('Control+A');
    await workbench.page.keyboard.press('Control+V');
    await workbench.page.keyboard.press('Control+S');
    await until(`${file} to be saved`, async () => withoutSpace(await inWorkspace(file)) === withoutSpace(text), long);
  };
  /** Somebody who reads takes longer than VS Code to read the file that was saved. */
  const runTask = (label: string): Promise<unknown> =>
    until(
      `the task ${label}`,
      async () => {
        await workbench.runCommand('Tasks: Run Task');
        const offered = workbench.page.locator('.quick-input-list .label-name').getByText(label, { exact: true });
        const isThere = await offered.waitFor({ timeout: 5000 }).then(
          () => true,
          () => false,
        );
        await (isThere ? workbench.quickPick(label) : workbench.cancelQuickInput());
        return isThere;
      },
      long,
    );
  /** Settings beside others, by one of which it shows that they are known. */
  const settingsAre = async (json: string, title: string): Promise<void> => {
    const file = path.join(session.workspaceFolder, '.vscode/settings.json');
    await writeFile(file, json.replace('{', `{ "window.title": "${title}",`));
    await until('the settings to be known', async () => (await workbench.page.title()) === title, long);
  };

  it('the task: its checkpoint, then its command; without the checkpoint no command', async (test: TestContext) => {
    const { text, json } = await readmeUnder('Before a task');
    const file = '.vscode/tasks.json';
    const begun = performance.now();
    await makeFile(file);
    await pasteAndSave(file, json);
    await runTask('install');
    await workbench.waitForTerminalText('Something risky happens here.', 90_000);
    const first = performance.now();
    await workbench.openView(view);
    await workbench.treeRow([machine, 'before install']);
    await workbench.screenshot('r0-readme-task');

    // With a command that leaves a mark, as one of its reader's own.
    const own = json.replace(/"command": "echo [^"]*"/, '"command": "node program.mjs"');
    assert.notEqual(own, json);
    const wrong = own
      .replace('"machine": "playground"', '"machine": "nowhere"')
      .replace('"install"', '"install there"');
    assert.match(wrong, /"machine": "nowhere"[^]*"label": "install there"/);
    const [, sentence] = /The terminal says \*(.*?)\*/.exec(text) ?? [];
    assert.ok(sentence !== undefined, 'the README tells what the terminal says');
    const broken = performance.now();
    await pasteAndSave(file, wrong);
    await runTask('install there');
    await workbench.waitForTerminalText(sentence, 90_000);
    await workbench.waitForTerminalText(/Tasks that depend on this one do not start/);
    test.diagnostic(
      `tasks.json, from the first key to the command: ${seconds(first - begun)}; a wrong name, to the refusal: ${seconds(performance.now() - broken)}`,
    );
    await workbench.screenshot('r1-readme-task-blocked');
    assert.equal(await runs(), 0);
    assert.equal((await checkpoints()).length, 1);

    await pasteAndSave(file, own.replace('"install"', '"install here"'));
    await runTask('install here');
    await until('the command to run', async () => (await runs()) === 1, long);
    assert.deepEqual(
      (await checkpoints()).map(({ name, createdBy }) => [name, createdBy]),
      [
        ['before install', 'task'],
        ['before install', 'task'],
      ],
    );
  });

  it('the debug session: its checkpoint, then the program; without the checkpoint no program', async () => {
    const { json } = await readmeUnder('Before a debug session');
    const before = await runs();
    const debug = () => workbench.runCommand('Debug: Start Debugging');
    await settingsAre(json, 'hooked');
    await debug();
    await until('the program to run', async () => (await runs()) === before + 1, long);
    const taken = (await checkpoints()).filter(({ createdBy }) => createdBy === 'debug');
    assert.deepEqual(
      taken.map(({ name }) => name),
      ['before debugging'],
    );

    const wrong = json.replace('"machine": "playground"', '"machine": "nowhere"');
    assert.notEqual(wrong, json);
    await settingsAre(wrong, 'hooked elsewhere');
    await debug();
    await workbench.waitForNotification(/“program” is not debugged.*no machine “nowhere”/, 90_000);
    await workbench.screenshot('r2-readme-debug-blocked');
    assert.equal(await runs(), before + 1);
  });
});

/** The editor indents what is pasted. */
function withoutSpace(text: string): string {
  return text.replaceAll(/\s/g, '');
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}
