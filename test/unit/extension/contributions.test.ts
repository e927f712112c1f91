import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { commands } from '../../../extension/contributions/commands.ts';
import { machineSchema } from '../../../engine/store/machine-schema.ts';
import { manifest, textsJson, withMembers } from '../../../extension/contributions/manifest.ts';
import { itemContext, keybindings, menus } from '../../../extension/contributions/menus.ts';
import { settings } from '../../../extension/contributions/settings.ts';
import {
  filteredKey,
  machinesViewId,
  selectingKey,
  viewStateKey,
  welcomes,
} from '../../../extension/contributions/views.ts';

const root = new URL('../../../', import.meta.url);
const read = (file: string): string => readFileSync(new URL(file, root), 'utf8');
const rewrite = 'Run "node --import tsx extension/contributions/write-manifest.ts".';

test('package.json says what extension/contributions/ declares', () => {
  const packageJson = read('package.json');
  assert.equal(withMembers(packageJson, manifest().members), packageJson, `package.json is out of date. ${rewrite}`);
});

test('package.nls.json holds the declared texts', () => {
  assert.equal(read('package.nls.json'), textsJson(manifest().texts), `package.nls.json is out of date. ${rewrite}`);
});

test('the schema of machine.json is that of the engine', () => {
  assert.equal(read('extension/schemas/machine.json'), machineSchema(), rewrite);
});

test('each text that package.json refers to is there, and each text is referred to', () => {
  const { members, texts } = manifest();
  const references = [...JSON.stringify(members).matchAll(/"%([^%"]+)%"/g)].map(([, key]) => key);
  assert.deepEqual(new Set(references), new Set(Object.keys(texts)));
});

test('each icon file is there', () => {
  const files = [...JSON.stringify(manifest().members).matchAll(/"(media\/[^"]+)"/g)].flatMap(([, file]) => file ?? []);
  assert.ok(files.length >= 2);
  for (const file of files) {
    assert.ok(existsSync(new URL(file, root)), file);
  }
});

test('links in welcome texts lead to declared commands and settings, or to commands of VS Code', () => {
  for (const { text } of welcomes) {
    for (const [, command = ''] of text.matchAll(/\(command:([^?)]+)/g)) {
      assert.ok(command in commands || command.startsWith('workbench.'), command);
    }
    for (const [, encoded = ''] of text.matchAll(/openSettings\?([^)]+)\)/g)) {
      const parameters = decodeURIComponent(encoded);
      assert.ok(
        Object.keys(settings).some((id) => parameters === JSON.stringify([id])),
        parameters,
      );
    }
  }
});

test('conditions name only the context keys that are set', () => {
  const { contributes } = manifest().members;
  const known = new Set(['view', 'viewItem', 'focusedView', viewStateKey, filteredKey, selectingKey]);
  const ofVsCode = new Set(['isWorkspaceTrusted', 'isLinux', 'isMac', 'isWindows', 'listMultiSelection', 'false']);
  const conditions = [...JSON.stringify(contributes).matchAll(/"when":"((?:[^"\\]|\\.)*)"/g)].map(
    ([, when]) => when ?? '',
  );
  assert.ok(conditions.length > 30);
  for (const condition of conditions) {
    for (const term of condition.split(' && ')) {
      const [key = ''] = term.replace(/^!/, '').split(' ');
      assert.ok(known.has(key) || ofVsCode.has(key), `${key} in ${condition}`);
    }
  }
});

/** Commands that a menu shows on a tree item, as VS Code would evaluate their conditions in a trusted workspace. */
function shownOn(context: string, isInline: boolean): string[] {
  return menus['view/item/context']
    .filter(({ group = '' }) => group.startsWith('inline') === isInline)
    .filter(({ when = '' }) =>
      when.split(' && ').every((term) => {
        if (term === 'listMultiSelection') {
          return false;
        }
        const pattern = /^viewItem =~ \/(.*)\/$/.exec(term)?.[1];
        return pattern === undefined || new RegExp(pattern).test(context);
      }),
    )
    .map(({ command }) => command.replace('vmCheckpoints.', ''));
}

test('inline buttons fit the item', () => {
  assert.deepEqual(shownOn(itemContext('machine', ['stopped']), true), ['start', 'take']);
  assert.deepEqual(shownOn(itemContext('machine', ['running', 'canRevert']), true), ['stop', 'openConsole', 'take']);
  assert.deepEqual(shownOn(itemContext('machine', ['paused']), true), ['resume', 'openConsole', 'take']);
  assert.deepEqual(shownOn(itemContext('machine', ['saved']), true), ['start', 'take']);
  assert.ok(shownOn(itemContext('machine', ['saved']), false).includes('discardState'));
  assert.deepEqual(shownOn(itemContext('machine', ['damaged']), true), []);
  assert.deepEqual(shownOn(itemContext('machine', ['unreachable']), true), []);
  assert.deepEqual(shownOn(itemContext('checkpoint', ['running', 'canRevert']), true), ['apply']);
  assert.deepEqual(shownOn(itemContext('now', ['stopped', 'canRevert']), true), ['revert', 'take']);
  assert.deepEqual(shownOn(itemContext('now', ['stopped']), true), ['take']);
});

test('context menus fit the item', () => {
  for (const state of ['damaged', 'unreachable'] as const) {
    assert.deepEqual(shownOn(itemContext('machine', [state]), false), ['doctor', 'removeMachine']);
  }
  assert.deepEqual(shownOn(itemContext('checkpoint', ['stopped']), false), [
    'apply',
    'rename',
    'editNotes',
    'setColour',
    'clone',
    'exportCheckpoint',
    'showDetails',
    'compareWith',
    'showCommand',
    'selectCheckpoints',
    'delete',
    'deleteSubtree',
    'deleteForGood',
  ]);
  assert.ok(shownOn(itemContext('checkpoint', ['stopped', 'pinned']), false).includes('unpin'));
  assert.ok(shownOn(itemContext('checkpoint', ['stopped', 'unpinned']), false).includes('pin'));
  assert.ok(shownOn(itemContext('now', ['stopped', 'canRedo']), false).includes('redo'));
  assert.deepEqual(shownOn(itemContext('now', ['running', 'canRevert', 'canUndo']), false), [
    'take',
    'revert',
    'revertDiscard',
    'undo',
    'showDetails',
    'showCommand',
  ]);
});

test('the trash, groups and jobs are offered what can be done about them', () => {
  assert.deepEqual(shownOn(itemContext('trash', []), false), ['restore', 'emptyTrash']);
  assert.deepEqual(shownOn(itemContext('trashed', []), true), ['restore']);
  assert.deepEqual(shownOn(itemContext('trashed', []), false), ['restore', 'deleteForGood']);
  assert.deepEqual(shownOn(itemContext('group', []), false), ['applyGroup', 'deleteGroup']);
  assert.deepEqual(shownOn(itemContext('runningJob', []), true), ['cancelJob']);
  assert.deepEqual(shownOn(itemContext('interruptedJob', []), true), ['resumeJob', 'undoJob']);
});

test('a machine of plain disk images is offered checkpoints and no power', () => {
  assert.deepEqual(shownOn(itemContext('machine', ['disks']), true), ['take']);
  assert.deepEqual(shownOn(itemContext('machine', ['disks', 'hasTrash']), false), [
    'take',
    'restore',
    'emptyTrash',
    'clone',
    'exportMachine',
    'move',
    'flatten',
    'showDetails',
    'showSpace',
    'editPolicy',
    'doctor',
    'moveToGroup',
    'mergeLayers',
    'showCommand',
    'removeMachine',
  ]);
});

test('what starts or changes something is in no menu of an untrusted workspace', () => {
  const shows = new Set([
    'refresh',
    'selectCheckpoints',
    'toggleChecked',
    'compareSelected',
    'compareWith',
    'endSelection',
    'filter',
    'clearFilter',
    'sort',
    'showLog',
    'showEngineInformation',
    'restartEngine',
    'showCommand',
    'showProblem',
    'showSpace',
    'showDetails',
  ]);
  for (const { command, when = '' } of [...menus['view/title'], ...menus['view/item/context'], ...keybindings]) {
    const changes = !shows.has(command.replace('vmCheckpoints.', ''));
    assert.equal(when.includes('isWorkspaceTrusted'), changes, command);
  }
});

test('settings that name programs and folders are restricted in untrusted workspaces', () => {
  assert.match(
    JSON.stringify(manifest().members.capabilities),
    /"restrictedConfigurations":\["vmCheckpoints.home","vmCheckpoints.qemu.path","vmCheckpoints.onTaskFailure","vmCheckpoints.hooks"\]/,
  );
});

test('the view has a text for each state in which it is empty', () => {
  assert.deepEqual(
    [...new Set(welcomes.map(({ state }) => state))],
    ['noMachines', 'hostNotAvailable', 'engineFailed'],
  );
  assert.ok(JSON.stringify(manifest().members.contributes).includes(machinesViewId));
});
