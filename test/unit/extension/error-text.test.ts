import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { errorCodes, type ErrorCode } from '../../../engine/protocol/errors.ts';
import { codeText } from '../../../extension/engine/error-code-text.ts';
import { errorText, translatedSentence } from '../../../extension/engine/error-text.ts';
import { stepText } from '../../../extension/engine/step-text.ts';
import { english, german, germanTexts, speaking } from '../../support/german.ts';

const root = path.resolve(import.meta.dirname, '../../..');

const inGerman = (code: ErrorCode, data: Record<string, unknown>, message = 'As the engine says it.'): string =>
  translatedSentence({ code, message, data }, german);

test('each error code has its translated sentence, which is another than the English one', () => {
  for (const code of errorCodes) {
    const missing: string[] = [];
    const text = codeText(code, speaking(germanTexts, missing));
    assert.deepEqual(missing, [], code);
    assert.notEqual(text, codeText(code, english), code);
  }
});

/** As the engine sends them. */
const known: [code: ErrorCode, data: Record<string, unknown>, said: RegExp][] = [
  ['MachineNotFound', { machine: 'web' }, /^Es gibt keine Maschine „web“\./],
  ['CheckpointNotFound', { machine: 'web', checkpoint: 'a' }, /^Die Maschine „web“ hat keinen Prüfpunkt „a“\.$/],
  ['CheckpointNotFound', { group: 'g' }, /^Es gibt keine Gruppe „g“\.$/],
  ['NotInTrash', { machine: 'web', checkpoint: 'a' }, /^Im Papierkorb der Maschine „web“ ist kein Prüfpunkt „a“\.$/],
  ['AmbiguousName', { machine: 'web', checkpoint: 'a', ids: ['1', '2'] }, /„web“ hat mehrere .*„a“.*: 1, 2\.$/],
  ['NameInUse', { name: 'web' }, /^Es gibt schon eine Maschine „web“\./],
  ['NameInUse', { path: '/d', machine: 'web' }, /^Der Datenträger \/d gehört schon der Maschine „web“\.$/],
  ['NameInUse', { path: '/d' }, /^Die Datei \/d gibt es schon\./],
  ['MachineRunning', { machine: 'web' }, /^Das geht nicht, solange die Maschine „web“/],
  ['MachineRunning', { machine: 'web', state: 'running' }, /^Die Maschine „web“ läuft schon/],
  ['MachineNotRunning', { machine: 'web' }, /^Die Maschine „web“ läuft nicht\. Starten Sie sie zuerst\.$/],
  ['MachinePaused', { machine: 'web' }, /^Die Maschine „web“ ist angehalten/],
  ['MachineNotSaved', { machine: 'web' }, /^„web“ ist nicht gespeichert/],
  ['MachineNotReachable', { path: '/x' }, /^Die Maschine ist unter \/x nicht erreichbar/],
  ['Locked', { holder: { face: 'ckpt', pid: 7, operation: 'take' } }, /^ckpt \(Prozess 7, take\) ändert es gerade\./],
  ['PermissionDenied', { path: '/x', systemCode: 'EACCES' }, /^\/x darf nicht geschrieben oder gelesen werden/],
  ['DiskNotFound', { path: '/x' }, /^Die Datei oder der Ordner \/x fehlt/],
  ['DiskNotFound', { path: '/x', looked: ['/y'] }, /^Der Datenträger \/x braucht .*: \/y\./],
  ['DiskInUse', { machine: 'web', user: 'qemu' }, /^Ein Datenträger von „web“ wird von qemu benutzt/],
  ['DiskInUse', { path: '/x' }, /^Der Datenträger \/x ist in einem anderen Programm geöffnet/],
  ['QmpTimeout', { command: 'stop', limitMs: 5 }, /^QEMU hat nicht rechtzeitig geantwortet/],
  ['GuestNotResponding', { timeoutMs: 60_000 }, /^Der Gast ist nicht innerhalb von 60 s heruntergefahren/],
  ['GuestTooBusy', { disk: 'disk0' }, /^Der Gast schreibt schneller/],
  ['NothingToUndo', { machine: 'web' }, /^Bei „web“ gibt es nichts rückgängig zu machen/],
  ['NothingToRedo', { machine: 'web' }, /^Bei „web“ gibt es nichts zu wiederholen/],
  ['NothingToRevert', { machine: 'web' }, /„web“ hat noch keinen Prüfpunkt/],
  ['JobNotFound', { job: 'j' }, /^Es gibt keinen Auftrag „j“\./],
  ['JobInterrupted', { job: 'j' }, /^Der Auftrag wurde unterbrochen: /],
  ['NothingToResume', { job: 'j', state: 'done' }, /^Nur ein unterbrochener Auftrag/],
  [
    'NotSupported',
    { machine: 'web', disk: 'disk0', layers: 256 },
    /^Der Datenträger disk0 von „web“ hat 256 Schichten/,
  ],
  ['HasClones', { machine: 'web', clones: ['a', 'b'] }, /^Verknüpfte Klone beruhen .*„web“: a, b\./],
  ['NotEnoughSpace', { path: '/x', systemCode: 'ENOSPC' }, /^Das Laufwerk ist voll \(\/x\)\./],
  ['NotEnoughSpace', { path: '/x', machine: 'web', freeBytes: 0 }, /^Das Laufwerk von \/x ist noch voll; „web“/],
  [
    'NotEnoughSpace',
    { path: '/x', neededBytes: 3 * 2 ** 30, freeBytes: 2 ** 30, shortBytes: 2 ** 31 },
    /^Der Arbeitsspeicher kann 3\.0 GiB brauchen, und 1\.0 GiB sind frei\. Schaffen Sie 2\.0 GiB Platz/,
  ],
];

test('what the facts tell is in it, and then no English is left', () => {
  for (const [code, data, said] of known) {
    const text = inGerman(code, data);
    assert.match(text, said, code);
    assert.doesNotMatch(text, /auf Englisch|\{\d\}|undefined|NaN/, code);
  }
});

test('a want of space says how much is short and what would free it, in order', () => {
  const waysToFree = [
    {
      kind: 'trash',
      machine: 'web',
      action: '',
      bytes: 2 ** 20,
      checkpoints: [{ id: '1', name: 'a', bytes: 2 ** 20 }],
    },
    { kind: 'checkpoint', machine: 'web', action: '', bytes: 2 ** 20, checkpoints: [{ id: '2', name: 'b', bytes: 1 }] },
  ];
  const data = { volume: '/x', neededBytes: 2 ** 23, freeBytes: 2 ** 22, shortBytes: 2 ** 22, waysToFree };
  assert.equal(
    inGerman('NotEnoughSpace', { ...data, freeSpaceBytes: 2 ** 20 }),
    'Das braucht 8.0 MiB, aber auf dem Laufwerk von /x sind 4.0 MiB frei: Es fehlen 4.0 MiB. So schaffen Sie Platz, in dieser Reihenfolge: den Papierkorb von „web“ leeren (1.0 MiB); „b“ von „web“ endgültig löschen (1.0 MiB). Papierkorb und aufgehobene Zustände, 1.0 MiB, können sofort weg („Platz schaffen …“). Das reicht nicht: Schaffen Sie anderswo noch 2.0 MiB Platz. Nichts wurde geändert.',
  );
  assert.match(inGerman('NotEnoughSpace', { ...data, waysToFree: [] }), /Schaffen Sie auf dem Laufwerk Platz/);
});

test('where the facts do not tell all, the sentence of the engine follows, without what to type in a shell', () => {
  for (const code of errorCodes.filter((one) => one !== 'GuestTooBusy')) {
    assert.equal(
      inGerman(code, {}, 'Do this (ckpt disk info) or that (ckpt doctor).'),
      `${codeText(code, german)} Im Einzelnen, auf Englisch: Do this (ckpt disk info) or that.`,
      code,
    );
  }
  assert.match(inGerman('MachineNotRunning', { machine: 'web', problem: 'It died.' }), /auf Englisch/);
  assert.match(inGerman('NothingToUndo', { machine: 'web', ofGroup: true }), /„web“.*auf Englisch/);
});

test('facts of another form than the engine sends do no harm', () => {
  for (const code of errorCodes) {
    for (const value of [null, 7, '', [], {}, [null], 'x']) {
      const facts = ['machine', 'checkpoint', 'path', 'holder', 'ids', 'waysToFree', 'neededBytes', 'looked', 'state'];
      const data = Object.fromEntries(facts.map((fact) => [fact, value]));
      assert.doesNotMatch(errorText({ code, message: '', data }, german).text, /undefined|\[object|NaN/, code);
    }
  }
});

test('what is cancelled says so; that nothing was changed, only where the engine says that', () => {
  assert.equal(inGerman('Cancelled', {}, 'Cancelled. Nothing was changed.'), 'Abgebrochen. Nichts wurde geändert.');
  assert.match(inGerman('Cancelled', {}, 'Cancelled. They are gone.'), /^Abgebrochen\. Im Einzelnen, auf Englisch/);
});

test('each step that the engine reports is known, and translated', () => {
  const folder = path.join(root, 'engine/checkpoints');
  const said = readdirSync(folder).flatMap((name) => {
    const source = readFileSync(path.join(folder, name), 'utf8');
    const reports =
      /(?:report\?\.\(|reporting\(\w+, |working\(\w+, \w+, |const (?:mergingLayers|packingMemory) = )(`[^`]*`|'[^']*')/g;
    return [...source.matchAll(reports)].map(([, literal = '']) =>
      literal.slice(1, -1).replaceAll(/\$\{[^}]*\}/g, 'x'),
    );
  });
  assert.ok(said.length > 25, said.join(' | '));
  for (const step of new Set(said)) {
    const missing: string[] = [];
    assert.notEqual(stepText(step, speaking(germanTexts, missing)), step, step);
    assert.deepEqual(missing, [], step);
    assert.equal(stepText(step, english), step);
  }
  assert.equal(
    stepText('Merging layers is paused for take by VS Code', german),
    'Schichten werden zusammengeführt: Pause für take durch VS Code',
  );
});
