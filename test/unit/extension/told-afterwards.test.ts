import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resumeStep } from '../../../engine/hosts/qemu/resume-step.ts';
import { say } from '../../../engine/model/sayings.ts';
import {
  appliedText,
  goesOnText,
  groupAppliedText,
  redoneText,
  undoneText,
} from '../../../extension/operations/told-afterwards.ts';
import { english, german } from '../../support/german.ts';
import { checkpoint, machine } from './machines.ts';

const steps = [
  resumeStep('clock', 'done', say('clockSetFrom', { offset: say('secondsBehind', { seconds: 90 }) })),
  resumeStep('generation', 'skipped', say('noGenerationDevice')),
  resumeStep('console', 'failed', say('consoleNotJoined')),
];
const inEnglish =
  "The guest's clock is set; it was 90 s behind. The console that was open has not joined again. Open it once more.";
const inGerman =
  'Die Uhr des Gasts ist gestellt; sie ging 90 s nach. Die Konsole, die offen war, hat sich nicht wieder verbunden. Öffnen Sie sie noch einmal.';
const result = { machine: machine({ name: 'web' }), applied: checkpoint('a', { name: 'base' }), totalMs: 40 };

test('apply, revert, undo, redo → what was done for the guest follows, but for what there was nothing to do of', () => {
  const came = { ...result, steps };
  assert.equal(appliedText('apply', came, english), `Applied “base” to “web”. (40 ms) ${inEnglish}`);
  assert.equal(appliedText('revert', came, english), `Reverted “web” to “base”. (40 ms) ${inEnglish}`);
  assert.equal(undoneText(came, english), `Undone: “web” is again what it was before. (40 ms) ${inEnglish}`);
  assert.equal(redoneText(came, english), `Redone: “web” is again what it was before the undo. (40 ms) ${inEnglish}`);
  for (const text of [
    appliedText('apply', came, german),
    appliedText('revert', came, german),
    undoneText(came, german),
    redoneText(came, german),
  ]) {
    assert.ok(text.endsWith(`(40 ms) ${inGerman}`), text);
  }
});

test('without memory there are no steps, and nothing follows', () => {
  assert.equal(undoneText(result, english), 'Undone: “web” is again what it was before. (40 ms)');
  assert.equal(redoneText(result, english), 'Redone: “web” is again what it was before the undo. (40 ms)');
});

test('a group → the steps of each machine that had any, by its name', () => {
  const group = { id: 'g', name: 'release', created: '', members: [] };
  const applied = { group, machines: [], steps: { web: steps, db: [] } };
  assert.equal(
    groupAppliedText(applied, '“web”, “db”', english),
    `Applied “release” to “web”, “db”. “web”: ${inEnglish}`,
  );
  assert.equal(
    groupAppliedText(applied, '„web“, „db“', german),
    `„release“ auf „web“, „db“ angewendet. „web“: ${inGerman}`,
  );
});

test('a machine that goes on after a pause, or from its saved state → the steps, where there is something to tell', () => {
  const { machine: web } = result;
  assert.equal(goesOnText({ machine: web, steps }, english), `“web” goes on. ${inEnglish}`);
  assert.equal(goesOnText({ machine: web, steps }, german), `„web“ läuft weiter. ${inGerman}`);
  const right = resumeStep('clock', 'skipped', say('clockRight', { milliseconds: 500 }));
  assert.equal(goesOnText({ machine: web, steps: [right] }, english), undefined);
  assert.equal(goesOnText({ machine: web }, english), undefined);
});
