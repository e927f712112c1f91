import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { appendFile, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { EditorSession } from '../support/editor-session.ts';
import type { Workbench } from '../support/vscode/workbench.ts';

const machine = 'playground';

describe('in a German VS Code with a high contrast theme', () => {
  let session: EditorSession;
  let workbench: Workbench;

  before(async () => {
    session = await EditorSession.open(
      path.join(import.meta.dirname, 'workspace'),
      async ({ ckpt }) => {
        await ckpt.run('createMachine', ['create-machine', machine, '--image', 'playground']);
      },
      { language: 'de', settings: { 'workbench.colorTheme': 'Default High Contrast' } },
    );
    workbench = session.workbench;
  });
  after(() => session.close());

  it('the tree, what a screen reader hears, and the menus are German', async () => {
    await workbench.openView('VM Checkpoints');
    assert.match((await workbench.treeRow(machine)).ariaLabel, /^Maschine playground, ausgeschaltet/);
    await workbench.expandRow(machine);
    await workbench.treeRow([machine, 'Jetzt']);
    const items = await workbench.contextMenuItems(machine);
    assert.ok(items.includes('Prüfpunkt erstellen …'), items.join(', '));
    await workbench.screenshot('70-german-tree');
  });

  it('take, apply and undo are asked and told in German', async () => {
    await workbench.runCommand('VM Checkpoints: Prüfpunkt erstellen …');
    await workbench.quickPick(machine);
    assert.match(await workbench.quickInputMessage(), /Name des Prüfpunkts/);
    await workbench.quickInput('vorher');
    await workbench.waitForNotification('Prüfpunkt „vorher“ von „playground“ erstellt.');
    await workbench.treeRow([machine, 'vorher', 'Jetzt']);
    await workbench.contextMenu([machine, 'vorher'], 'Prüfpunkt anwenden …');
    const question = await workbench.modalDialog();
    assert.match(question.message, /„vorher“ auf „playground“ anwenden\?/);
    assert.match(question.detail, /wird bis .* aufgehoben; dies lässt sich also rückgängig machen/);
    await workbench.screenshot('71-german-question');
    await workbench.clickDialogButton('Anwenden');
    await workbench.clickNotificationButton('„vorher“ auf „playground“ angewendet.', 'Rückgängig machen');
    await workbench.waitForNotification(/Rückgängig gemacht: „playground“ ist wieder, was sie vorher war/);
    await workbench.screenshot('72-german-undone');
  });

  it('what the engine refuses is told in German, with what it is about', async () => {
    await session.home.ckpt.run('clone', ['clone', machine, 'vorher', 'klon']);
    await workbench.treeRow('klon');
    await workbench.contextMenu(machine, 'Maschine entfernen …');
    const { message } = await workbench.waitForNotification(
      'Verknüpfte Klone beruhen auf den Datenträgern der Maschine „playground“: klon.',
    );
    assert.doesNotMatch(message, /Englisch/);
    await workbench.screenshot('73-german-refused');
    await workbench.clearNotifications();
  });

  it('where the German sentence says less than the engine, the English one follows', async () => {
    const layers = path.join(session.home.machineFolder(machine), 'layers');
    for (const name of await readdir(layers)) {
      await appendFile(path.join(layers, name), 'written by another program');
    }
    await workbench.contextMenu([machine, 'vorher'], 'Prüfpunkt anwenden …');
    const { message } = await workbench.waitForNotification(/Im Einzelnen, auf Englisch: /);
    assert.match(message, /^Ein Datenträger und der, auf dem er beruht, passen nicht mehr zusammen/);
    assert.match(message, /The layer \S+\.qcow2 was changed after it was frozen/);
    assert.doesNotMatch(message, /ckpt doctor/);
    await workbench.screenshot('74-german-with-detail');
    await workbench.clearNotifications();
  });

  it('what a check finds is told in German: what is wrong, what comes of it, the ways out', async () => {
    await workbench.contextMenu(machine, 'Auf Probleme prüfen …');
    await workbench.quickPick('Schnell');
    const report = workbench.webview().locator('body', { hasText: /Die Schicht \S+ wurde geändert/ });
    await report.waitFor({ timeout: 30_000 });
    const told = await report.innerText();
    assert.match(
      told,
      /Die Schicht \S+\.qcow2 wurde geändert, nachdem sie eingefroren war: die Größe war \d+ bytes und ist \d+ bytes\./,
    );
    assert.match(told, /Was auf ihr beruht, kann verdorben sein, .*: Jetzt, .*„vorher“, .*der Klon „klon“\./);
    assert.match(told, /Stellen Sie diese Datei aus einer Sicherung wieder her\. .*„Änderungen annehmen …“/);
    assert.doesNotMatch(told, /was changed|stands on it|Restore|auf Englisch/);
    await workbench.screenshot('75-german-finding');
    await workbench.clearNotifications();
  });

  it('why a machine is damaged is told in German', async () => {
    await writeFile(path.join(session.home.machineFolder('klon'), 'now.json'), '{');
    await workbench.waitForTreeState('klon', /beschädigt/);
    await workbench.expandRow('klon');
    const { ariaLabel } = await workbench.treeRow(['klon', /^Die Datei /]);
    assert.match(
      ariaLabel,
      /Die Datei \S+now\.json ist nicht glaubhaft: sie ist kein JSON\. Stellen Sie sie aus einer Sicherung wieder her, .* Nichts wurde geändert\.$/,
    );
    await workbench.screenshot('76-german-damaged');
  });

  it('a machine whose disk is not there is told as not reachable, with the ways on; off the list it is left alone', async () => {
    const record = path.join(session.home.folder, 'machines', 'fern.moved.json');
    await writeFile(record, JSON.stringify({ version: 1, path: '/nirgends/fern' }));
    await workbench.waitForTreeState('fern', /nicht erreichbar/);
    await workbench.expandRow('fern');
    const { ariaLabel } = await workbench.treeRow([
      'fern',
      /^Die Maschine ist unter \/nirgends\/fern nicht erreichbar/,
    ]);
    assert.match(ariaLabel, /Schließen Sie den Datenträger an, .* nichts von ihr ist verloren/);
    await workbench.screenshot('77-german-unreachable');
    await workbench.contextMenu('fern', 'Maschine entfernen …');
    const { message, detail } = await workbench.modalDialog();
    assert.equal(message, '„fern“ aus der Liste nehmen?');
    assert.match(detail, /bleibt ihr Ordner, wie er ist/);
    await workbench.clickDialogButton('Aus der Liste nehmen');
    await workbench.waitForNoTreeRow('fern');
    assert.equal(existsSync(record), false);
  });
});
