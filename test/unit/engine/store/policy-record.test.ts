import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { policyRecord, readPolicy, writePolicy } from '../../../../engine/store/policy-record.ts';
import type { RetentionPolicy } from '../../../../engine/protocol/retention.ts';
import { folderOf } from '../temporary-folder.ts';

const whole: RetentionPolicy = {
  keepLast: 5,
  hourly: 24,
  daily: 7,
  weekly: 4,
  monthly: 6,
  maxBytes: 20 * 2 ** 30,
  minimum: 3,
  includeNamed: true,
  ageBy: 'running',
};

test('a folder without a record has no policy; what is written is read again', async (context) => {
  const folder = await folderOf(context);
  assert.deepEqual(await readPolicy(folder), {});
  await writePolicy(folder, whole);
  assert.deepEqual(await readPolicy(folder), whole);
  await writePolicy(folder, {});
  assert.deepEqual(await readPolicy(folder), {});
});

test('a policy with a count of 0, out of bounds, with anything foreign, or of a newer version is refused', async (context) => {
  const folder = await folderOf(context);
  const bad: unknown[] = [
    { version: 1, policy: { keepLast: 0 } },
    { version: 1, policy: { keepLast: -1 } },
    { version: 1, policy: { daily: 1.5 } },
    { version: 1, policy: { hourly: '24' } },
    { version: 1, policy: { maxBytes: 0 } },
    { version: 1, policy: { maxBytes: 2 ** 60 } },
    { version: 1, policy: { minimum: 0 } },
    { version: 1, policy: { ageBy: 'moon' } },
    { version: 1, policy: { keepLsat: 5 } },
    { version: 1, policy: {}, more: true },
    { version: 2, policy: {} },
    { version: 1 },
    [],
  ];
  assert.ok(policyRecord.safeParse({ version: 1, policy: whole }).success);
  for (const record of bad) {
    await writeFile(path.join(folder, 'policy.json'), JSON.stringify(record));
    await assert.rejects(readPolicy(folder), { code: 'MachineDamaged' }, JSON.stringify(record));
  }
});
