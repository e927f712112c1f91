import assert from 'node:assert/strict';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Locator } from 'playwright-core';
import type { CheckpointInfo } from '../../engine/protocol/machines.ts';
import { EditorSession } from '../support/editor-session.ts';
import { artifactsFolder } from '../support/project.ts';
import { until } from '../support/vscode/until.ts';
import { actionTimeoutMilliseconds, type Workbench } from '../support/vscode/workbench.ts';

const machine = 'playground';
const long = { timeoutMilliseconds: 90_000 };
const action = { timeoutMilliseconds: actionTimeoutMilliseconds };

describe('files in which machines and checkpoints are named', () => {
  let session: EditorSession;
  let workbench: Workbench;

  before(async () => {
    session = await EditorSession.open(path.join(import.meta.dirname, 'language-workspace'), async ({ ckpt }) => {
      await ckpt.run('createMachine', ['create-machine', machine, '--image', 'playground']);
    });
    workbench = session.workbench;
    await workbench.openView('VM Checkpoints');
    await workbench.treeRow(machine);
  });
  after(() => session.close());

  const inWorkspace = (file: string): string => path.join(session.workspaceFolder, file);
  const checkpoints = async (): Promise<CheckpointInfo[]> =>
    (await session.home.ckpt.run('show', ['show', machine])).machine.checkpoints;
  const installations = async (): Promise<string[]> => {
    const text = await readFile(inWorkspace('installed.txt'), 'utf8').catch(() => '');
    return text.split('\n').filter((line) => line !== '');
  };
  const press = (key: string): Promise<void> => workbench.page.keyboard.press(key);
  const editor = (): Locator => workbench.page.locator('.editor-group-container.active .monaco-editor').first();

  /** Opens a file by its name, as one does with Ctrl+P. */
  const open = async (file: string): Promise<void> => {
    await press('Control+p');
    await workbench.fillQuickInput(file);
    await workbench.quickPick(path.basename(file));
    await editor().locator('.view-line').first().waitFor();
  };
  /** Puts the cursor behind the first place where this text is in the file. */
  const putCursor = async (file: string, text: string): Promise<void> => {
    const content = await readFile(file, 'utf8');
    const before = content.slice(0, content.indexOf(text) + text.length).split('\n');
    await press('Control+g');
    await workbench.quickInput(`:${before.length}:${(before.at(-1)?.length ?? 0) + 1}`);
    await editor().locator('textarea, .native-edit-context').first().focus();
  };
  const suggestions = async (wanted: RegExp): Promise<string[]> => {
    let labels: string[] = [];
    return until(
      () => `${String(wanted)} among the suggestions: ${labels.join(' | ')}`,
      async () => {
        const rows = workbench.page.locator('.suggest-widget.visible .monaco-list-row');
        if ((await rows.count()) === 0) {
          await press('Control+Space');
          return false;
        }
        labels = (await rows.allTextContents()).map((text) => text.trim());
        return labels.some((label) => wanted.test(label)) ? labels : false;
      },
      { timeoutMilliseconds: 60_000, intervalMilliseconds: 500 },
    );
  };
  /** The action at a place in a file, which the light bulb offers once the engine has answered. */
  const offeredAt = async (file: string, text: string): Promise<Locator> => {
    const offered = workbench.page.locator('.action-widget .monaco-list-row', {
      hasText: 'Add checkpoint before this debug session',
    });
    await putCursor(file, text);
    await until(
      'the light bulb to offer a checkpoint',
      async () => {
        await press('Control+.');
        return offered.waitFor({ timeout: 5000 }).then(
          () => true,
          () => putCursor(file, text).then(() => false),
        );
      },
      long,
    );
    return offered;
  };
  const problem = async (text: RegExp): Promise<void> => {
    await workbench.runCommand('Problems: Focus on Problems View');
    await workbench.page.locator('.markers-panel .monaco-list-row', { hasText: text }).first().waitFor();
  };

  it('launch.json: a first task that needs a machine that there is not is underlined, and told of', async () => {
    await open('launch.json');
    await editor().locator('.squiggly-warning').first().waitFor({ timeout: 60_000 });
    await problem(
      /The task “checkpoint of a machine that is not there” takes a checkpoint of “nowhere”, and there is no such machine/,
    );
    await workbench.screenshot('15-launch-warning');
  });

  it('the first task of a configuration is completed with the tasks that take checkpoints', async () => {
    await open('launch.json');
    await putCursor(inWorkspace('.vscode/launch.json'), '"preLaunchTask": "');
    await suggestions(/^before debugging\s*checkpoint of playground/);
    await press('Escape');
  });

  it('the first task of a compound is completed with the tasks that take checkpoints, and told about', async () => {
    const file = inWorkspace('.vscode/launch.json');
    await open('launch.json');
    await putCursor(file, '"without a net"], "preLaunchTask": "');
    const labels = await suggestions(/before debugging/);
    assert.ok(
      labels.some((label) => /^before debugging.*checkpoint of playground/.test(label)),
      labels.join(' | '),
    );
    await workbench.screenshot('16-launch-completion');
    await workbench.page
      .locator('.suggest-widget.visible .monaco-list-row', { hasText: /before debugging/ })
      .first()
      .click();
    await press('Control+s');
    await until(
      'the task to be written',
      async () => (await readFile(file, 'utf8')).includes('"preLaunchTask": "before debugging"'),
      action,
    );
    await putCursor(file, '"preLaunchTask": "before');
    await workbench.runCommand('Show or Focus Hover');
    // Blanks that Markdown would take away are no-break ones.
    const hover = workbench.page.locator('.monaco-hover', {
      hasText: /takes\sa\scheckpoint\sof\s“playground”\sbefore/,
    });
    await hover.first().waitFor();
    assert.match((await hover.first().textContent()) ?? '', /“playground”\shas\snone\sof\sit\syet\./);
    await workbench.page.screenshot({ path: path.join(artifactsFolder, '17-launch-hover.png') });
    await press('Escape');
  });

  it('“Add checkpoint before this debug session” → it starts after the checkpoint was taken', async () => {
    const file = inWorkspace('.vscode/launch.json');
    const offered = await offeredAt(file, '"name": "plain');
    await workbench.screenshot('18-launch-action');
    await offered.click();
    await until(
      'the first task to be written',
      async () => /"preLaunchTask": "checkpoint of playground before plain"/.test(await readFile(file, 'utf8')),
      action,
    );
    assert.match(await readFile(file, 'utf8'), /\/\/ How it is debugged\./);
    assert.match(
      await readFile(inWorkspace('.vscode/tasks.json'), 'utf8'),
      /"label": "checkpoint of playground before plain",\s*"type": "vm-checkpoint",\s*"machine": "playground"/,
    );
    await workbench.runCommand('Debug: Select and Start Debugging');
    await workbench.quickPick('plain');
    await until('the program to run', async () => (await installations()).length === 1, long);
    const [taken, ...others] = await checkpoints();
    assert.deepEqual(others, []);
    assert.equal(taken?.createdBy, 'task');
    const [installed = ''] = await installations();
    assert.ok(taken.created < installed, `${taken.created} is before ${installed}`);
    await workbench.screenshot('19-launch-checkpoint');
  });

  it('in front of the default build task it is offered, too', async () => {
    const file = inWorkspace('.vscode/launch.json');
    await open('launch.json');
    await (await offeredAt(file, '"name": "compiled')).click();
    await until(
      'the first task to be written',
      async () => /"preLaunchTask": "checkpoint of playground, then compile"/.test(await readFile(file, 'utf8')),
      action,
    );
    assert.match(
      await readFile(inWorkspace('.vscode/tasks.json'), 'utf8'),
      /"dependsOn": \[\s*"checkpoint of playground before compile",\s*"compile"\s*\],\s*"dependsOrder": "sequence"/,
    );
  });

  it('where what runs first is known only later, Refactor… and the hover say why it cannot be added, and what can', async () => {
    const file = inWorkspace('.vscode/launch.json');
    await open('launch.json');
    await putCursor(file, '"${input:wh');
    await workbench.runCommand('Refactor...');
    const row = workbench.page.locator('.action-widget .monaco-list-row', {
      hasText: 'Add checkpoint before this debug session',
    });
    await row.waitFor();
    await workbench.screenshot('18-launch-disabled');
    assert.match((await row.getAttribute('class')) ?? '', /disabled/);
    await press('Escape');
    await putCursor(file, '"${input:wh');
    await workbench.runCommand('Show or Focus Hover');
    const hover = workbench.page.locator('.monaco-hover', {
      hasText: /known\sonly\sonce\sit\sstarts.*vmCheckpoints\.hooks/,
    });
    await hover.first().waitFor();
    await press('Escape');
  });

  it('a session whose checkpoint fails does not start', async () => {
    await workbench.runCommand('Debug: Select and Start Debugging');
    await workbench.quickPick('without a net');
    const { message, detail, buttons } = await workbench.modalDialog();
    assert.match(`${message} ${detail}`, /checkpoint of a machine that is not there.* terminated with exit code 1/);
    await workbench.screenshot('20-launch-refused');
    await workbench.clickDialogButton(buttons.find((button) => /Abort|Cancel/.test(button)) ?? 'Abort');
    assert.equal((await installations()).length, 1);
  });

  it('a tasks.json that is not open changes → the warning goes', async () => {
    await open('launch.json');
    await editor().locator('.squiggly-warning').first().waitFor();
    const file = inWorkspace('.vscode/tasks.json');
    await writeFile(file, (await readFile(file, 'utf8')).replace('"machine": "nowhere"', '"machine": "playground"'));
    await editor().locator('.squiggly-warning').first().waitFor({ state: 'detached', timeout: 60_000 });
  });

  it('machine.json: its members are completed, and what is wrong is underlined', async () => {
    // VS Code in a browser saves by itself: a copy, so that the machine stays what it is.
    const file = inWorkspace('machines/copy/machine.json');
    await mkdir(path.dirname(file), { recursive: true });
    await copyFile(path.join(session.home.machineFolder(machine), 'machine.json'), file);
    await open(file);
    await editor().locator('.view-line', { hasText: '"host"' }).waitFor();
    await putCursor(file, '"cpus": ');
    await press('Shift+End');
    await press('Delete');
    await workbench.page.keyboard.type('"many",');
    await editor().locator('.squiggly-error, .squiggly-warning').first().waitFor({ timeout: 60_000 });
    await problem(/Incorrect type\. Expected "integer"/);
    await workbench.screenshot('21-machine-json-wrong');
    await editor().locator('textarea, .native-edit-context').first().focus();
    await putCursor(file, '{');
    await workbench.page.keyboard.type('"');
    const labels = await suggestions(/macAddress|firmware|group/);
    await workbench.screenshot('22-machine-json-completion');
    assert.ok(labels.length > 0);
    await press('Escape');
  });
});
