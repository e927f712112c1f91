import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PastChange } from '../../../engine/protocol/history.ts';
import { faceOf } from '../../../extension/machines/made-through.ts';

const change = (at: string, face: string, facts: Partial<PastChange> = {}): PastChange => ({
  at: `2026-11-21T09:15:${at}Z`,
  operation: 'take',
  face,
  outcome: 'done',
  durationMs: 1500.5,
  ...facts,
});
const made = (at: string) => ({ created: `2026-11-21T09:15:${at}Z` });

test('a checkpoint was made through whoever changed the machine at that moment', () => {
  const changes = [change('20.000', 'VS Code'), change('10.000', 'ckpt')];
  assert.equal(faceOf(made('10.000'), changes), 'ckpt');
  assert.equal(faceOf(made('11.501'), changes), 'ckpt');
  assert.equal(faceOf(made('20.700'), changes), 'VS Code');
});

test('where that is not on record, nobody is named', () => {
  assert.equal(faceOf(made('15.000'), [change('10.000', 'ckpt')]), undefined);
  assert.equal(faceOf(made('10.100'), []), undefined);
  assert.equal(faceOf(made('10.100'), [change('10.000', 'ckpt', { outcome: 'failed' })]), undefined);
  const { durationMs: _, ...interrupted } = change('10.000', 'ckpt');
  assert.equal(faceOf(made('10.100'), [{ ...interrupted, outcome: 'interrupted' }]), undefined);
});
