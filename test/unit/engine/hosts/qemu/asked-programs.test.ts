import assert from 'node:assert/strict';
import { appendFile, chmod, copyFile, mkdir, readFile, rename, stat, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { askOnce } from '../../../../../engine/hosts/qemu/asked-programs.ts';
import { QemuHost } from '../../../../../engine/hosts/qemu/qemu-host.ts';
import { Home } from '../../../../../engine/store/home.ts';
import { folderOf } from '../../temporary-folder.ts';

/** A binary, and how to ask it: each answer has the next number. */
async function programIn(
  context: TestContext,
): Promise<{ program: string; memory: string; version: () => Promise<string> }> {
  const folder = await folderOf(context);
  const [program, memory] = [path.join(folder, 'program'), path.join(folder, 'cache', 'answers.json')];
  await copyFile(process.execPath, program);
  let count = 0;
  const ask = async (): Promise<{ version: string; machineType: string }> => {
    count += 1;
    return { version: `${count}`, machineType: 'pc-q35-7.2' };
  };
  return { program, memory, version: async () => (await askOnce(program, memory, ask)).version };
}

test('a program that nobody touched is asked once', async (context) => {
  const { version } = await programIn(context);
  assert.deepEqual([await version(), await version(), await version()], ['1', '1', '1']);
});

const changes: Record<string, (program: string) => Promise<void>> = {
  'has another time': (program) => utimes(program, 1, 1),
  'was written to': (program) => appendFile(program, 'x'),
  'was replaced by a copy of the same size and time': async (program) => {
    const { atime, mtime } = await stat(program);
    await copyFile(program, `${program}.copy`);
    await utimes(`${program}.copy`, atime, mtime);
    await rename(`${program}.copy`, program);
  },
};
for (const [name, change] of Object.entries(changes)) {
  test(`a program that ${name} is asked again, once`, async (context) => {
    const { program, version } = await programIn(context);
    assert.equal(await version(), '1');
    await change(program);
    assert.deepEqual([await version(), await version()], ['2', '2']);
  });
}

test('a script is asked each time: another program answers for it', async (context) => {
  const { program, version } = await programIn(context);
  await writeFile(program, '#!/bin/sh\nexec /usr/bin/qemu-system-x86_64 "$@"\n');
  assert.deepEqual([await version(), await version()], ['1', '2']);
});

test('a memory that cannot be believed, or written → the program is asked', async (context) => {
  const { memory, version } = await programIn(context);
  await mkdir(path.dirname(memory));
  for (const [count, content] of ['', '[]', '{"x":1}'].entries()) {
    await writeFile(memory, content);
    assert.equal(await version(), `${count + 1}`);
  }
  await chmod(memory, 0o600);
  await writeFile(memory, '{}');
  await rename(path.dirname(memory), `${path.dirname(memory)} gone`);
  await writeFile(path.dirname(memory), '');
  assert.deepEqual([await version(), await version()], ['4', '5']);
});

test('a second engine takes the first one’s word for which QEMU there is', async (context) => {
  const home = new Home(await folderOf(context));
  const { version } = await new QemuHost(home).status();
  const text = await readFile(home.qemuAnswers, 'utf8');
  assert.ok(version !== undefined && text.includes(`"${version}"`));
  // Another answer in its memory shows that it is asked.
  await writeFile(home.qemuAnswers, text.replace(`"${version}"`, '"0.0.1"'));
  assert.equal((await new QemuHost(home).status()).version, '0.0.1');
});
