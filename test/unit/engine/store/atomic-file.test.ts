import assert from 'node:assert/strict';
import { mkdir, open, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { z } from 'zod';
import { readRecord, writeFileAtomically, writeRecord } from '../../../../engine/store/atomic-file.ts';
import { runProgram } from '../../../support/project.ts';
import { folderOf } from '../temporary-folder.ts';

const schema = z.strictObject({ version: z.literal(1), name: z.string() });
const record = { version: 1, name: 'Zo\u00eb 🙂' };
const damaged = { name: 'CheckpointError', code: 'MachineDamaged' };

async function fileOf(context: TestContext): Promise<string> {
  return path.join(await folderOf(context), 'record.json');
}

test('write → read: the same record, in a file for its user alone, with nothing beside it', async (context) => {
  const file = await fileOf(context);
  await writeRecord(file, record);
  assert.deepEqual(await readRecord(file, schema), record);
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  assert.deepEqual(await readdir(path.dirname(file)), ['record.json']);
});

test('many writers of one file → one of them whole', async (context) => {
  const file = await fileOf(context);
  const texts = Array.from({ length: 20 }, (_, index) => String(index).repeat(50_000));
  await Promise.all(texts.map((text) => writeFileAtomically(file, text)));
  assert.ok(texts.includes(await readFile(file, 'utf8')));
  assert.deepEqual(await readdir(path.dirname(file)), ['record.json']);
});

test('a write that fails → what was there stays, with nothing beside it', async (context) => {
  const file = await fileOf(context);
  await mkdir(path.join(file, 'inner'), { recursive: true });
  await assert.rejects(writeRecord(file, record));
  assert.deepEqual(await readdir(path.dirname(file)), ['record.json']);
  assert.deepEqual(await readdir(file), ['inner']);
});

test('no file, or a file where the folder should be → undefined', async (context) => {
  const file = await fileOf(context);
  assert.equal(await readRecord(file, schema), undefined);
  await writeFile(file, 'x');
  assert.equal(await readRecord(path.join(file, 'inner.json'), schema), undefined);
});

test('a record cut off at any byte → MachineDamaged', async (context) => {
  const file = await fileOf(context);
  const whole = Buffer.from(JSON.stringify(record));
  for (let length = 0; length < whole.length; length++) {
    await writeFile(file, whole.subarray(0, length));
    await assert.rejects(readRecord(file, schema), damaged, `${length} bytes`);
  }
});

const unbelievable: [what: string, content: string][] = [
  ['no JSON', 'hello'],
  ['zeros', '\0'.repeat(100)],
  ['another kind of JSON', '[]'],
  ['null', 'null'],
  ['a missing field', '{"version":1}'],
  ['a field of another type', '{"version":1,"name":7}'],
  ['a foreign field', '{"version":1,"name":"a","extra":true}'],
  ['a newer version', '{"version":2,"name":"a"}'],
  ['a very deep nesting', '['.repeat(100_000)],
];
for (const [what, content] of unbelievable) {
  test(`a record that is ${what} → MachineDamaged, naming the file`, async (context) => {
    const file = await fileOf(context);
    await writeFile(file, content);
    await assert.rejects(readRecord(file, schema), { ...damaged, message: /record\.json/ });
  });
}

test('a record longer than any that we write → MachineDamaged, unread', async (context) => {
  const file = await fileOf(context);
  const handle = await open(file, 'w');
  await handle.truncate(2 ** 40);
  await handle.close();
  await assert.rejects(readRecord(file, schema), { ...damaged, message: /1099511627776 bytes long/ });
});

const notRegular: [what: string, make: (file: string) => Promise<unknown>][] = [
  ['a folder', (file) => mkdir(file)],
  ['a link to itself', (file) => symlink(path.basename(file), file)],
  ['a link to an endless device', (file) => symlink('/dev/zero', file)],
  ['a pipe that nobody writes to', (file) => runProgram('mkfifo', [file])],
];
for (const [what, make] of notRegular) {
  test(`${what} in place of a record → MachineDamaged, at once`, { timeout: 5000 }, async (context) => {
    const file = await fileOf(context);
    await make(file);
    await assert.rejects(readRecord(file, schema), damaged);
  });
}

test('a link to a record → the record', async (context) => {
  const file = await fileOf(context);
  await writeRecord(`${file}.other`, record);
  await symlink(`${file}.other`, file);
  assert.deepEqual(await readRecord(file, schema), record);
});
