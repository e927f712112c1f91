import assert from 'node:assert/strict';
import { appendFile, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { createEngine } from '../../../../engine/engine.ts';
import type { PastChange } from '../../../../engine/protocol/history.ts';
import { Home } from '../../../../engine/store/home.ts';
import { noteChange } from '../../../../engine/store/history.ts';
import { lab as machine } from '../../../support/faults/stopped-lab.ts';
import { copiesLab, machineOf } from './copies-lab.ts';

function told({ operation, about = [], outcome, error }: PastChange): string {
  return [operation, ...about, outcome, ...(error === undefined ? [] : [error.code])].join(' ');
}

test('what was done to a machine is on record, whoever did it and however it ended', async (context) => {
  const { engine, place, folder } = await copiesLab(context);
  const made = (await engine.history.history({ machine })).changes.length;
  await engine.service.take({ machine, name: 'a' }, {});
  await createEngine('another', new Home(place.home)).service.rename({ machine, checkpoint: 'a', name: 'b' });
  await engine.service.apply({ machine, checkpoint: 'one' }, {});
  await assert.rejects(engine.service.apply({ machine, checkpoint: 'none' }, {}), { code: 'CheckpointNotFound' });
  const cancelled = AbortSignal.abort();
  await assert.rejects(engine.service.apply({ machine, checkpoint: 'b' }, { signal: cancelled }));
  await engine.service.delete({ machine, checkpoint: 'b' });
  const { changes } = await engine.history.history({ machine });
  assert.deepEqual(changes.slice(0, changes.length - made).map(told), [
    'delete b done',
    'apply b cancelled',
    'apply failed CheckpointNotFound',
    'apply one done',
    'rename a b done',
    'take a done',
  ]);
  assert.equal(changes.find(({ operation }) => operation === 'rename')?.face, 'another');
  assert.equal((await engine.history.history({ machine, last: 2 })).changes.length, 2);
  // It goes where the machine goes.
  await engine.copies.move({ machine, folder }, {});
  assert.ok((await engine.history.history({ machine })).changes.length >= changes.length);
});

test('a record that is damaged, a link or gone hinders nothing; one that is long loses its older half', async (context) => {
  const { engine, folder } = await copiesLab(context);
  const machineFolder = (await machineOf(engine)).folder;
  const file = path.join(machineFolder, 'run', 'history.jsonl');
  await appendFile(file, '{"at":"yesterday"}\nnot JSON\n{"operation":\n');
  await engine.service.take({ machine, name: 'a' }, {});
  const { changes } = await engine.history.history({ machine });
  assert.equal(changes[0]?.operation, 'take');
  assert.ok(changes.every(({ at }) => !Number.isNaN(Date.parse(at))));

  const change: PastChange = {
    at: new Date().toISOString(),
    operation: 'x'.repeat(400),
    face: 'test',
    outcome: 'done',
  };
  for (let count = 0; count < 1000; count++) {
    await noteChange(machineFolder, change);
  }
  assert.ok((await stat(file)).size < 300_000);
  assert.ok((await engine.history.history({ machine })).changes.length > 200);

  const outside = path.join(folder, 'outside');
  await writeFile(outside, 'precious');
  await rm(file);
  await symlink(outside, file);
  await engine.service.take({ machine, name: 'b' }, {});
  assert.equal(await readFile(outside, 'utf8'), 'precious');
  await rm(file);
  assert.deepEqual((await engine.history.history({ machine })).changes, []);
});
