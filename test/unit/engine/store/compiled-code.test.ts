import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, readFile, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { CompiledCode } from '../../../../engine/store/compiled-code.ts';
import { engineFile, runProgram } from '../../../support/project.ts';
import { folderOf } from '../temporary-folder.ts';

const program = Buffer.from('program');
const compiled = Buffer.from('what V8 made of it');

/** What was remembered of a program, and the file that it lies in. */
async function rememberedIn(context: TestContext): Promise<{ folder: string; code: CompiledCode; file: string }> {
  const folder = path.join(await folderOf(context), 'cache');
  const code = new CompiledCode(folder, 'ckpt', program);
  assert.equal(code.read(), undefined);
  code.write(compiled);
  const [name = ''] = await readdir(folder);
  return { folder, code, file: path.join(folder, name) };
}

test('written → read, by the next that starts the same program', async (context) => {
  const { folder, file } = await rememberedIn(context);
  assert.deepEqual(new CompiledCode(folder, 'ckpt', program).read(), compiled);
  assert.equal((await stat(file)).mode & 0o777, 0o600);
});

test('another program of the same length, or another face → it is not theirs', async (context) => {
  const { folder } = await rememberedIn(context);
  assert.equal(new CompiledCode(folder, 'ckpt', Buffer.from('PROGRAM')).read(), undefined);
  assert.equal(new CompiledCode(folder, 'server', program).read(), undefined);
});

const damage: Record<string, (file: string) => Promise<void>> = {
  'has another byte': async (file) => {
    const content = await readFile(file);
    content.writeUInt8(content.readUInt8(40) ^ 1, 40);
    await writeFile(file, content);
  },
  'is cut short': (file) => truncate(file, 20),
  'is empty': (file) => truncate(file, 0),
  'may be written by others': (file) => chmod(file, 0o622),
  'is a folder': async (file) => {
    await rm(file);
    await mkdir(file);
  },
};
for (const [name, change] of Object.entries(damage)) {
  test(`a file that ${name} is not believed`, async (context) => {
    const { code, file } = await rememberedIn(context);
    await change(file);
    assert.equal(code.read(), undefined);
  });
}

test('where no home is, none is made', async (context) => {
  const home = path.join(await folderOf(context), 'home');
  new CompiledCode(path.join(home, 'cache'), 'ckpt', program).write(compiled);
  await assert.rejects(stat(home), { code: 'ENOENT' });
});

test('it leaves nothing but the newest few', async (context) => {
  const { folder, file } = await rememberedIn(context);
  await utimes(file, 1, 1);
  for (let version = 0; version < 20; version++) {
    new CompiledCode(folder, 'ckpt', Buffer.from(`program ${version}`)).write(compiled);
  }
  assert.equal((await readdir(folder)).length, 8);
  assert.ok(!(await readdir(folder)).includes(path.basename(file)));
});

test('the engine starts with what it compiled before, and without it when that is damaged', async (context) => {
  const home = await folderOf(context);
  const list = (): Promise<string> => runProgram(process.execPath, [engineFile, 'list', '--json', '--home', home]);
  const remembered = async (): Promise<string[]> => {
    const names = await readdir(path.join(home, 'cache')).catch(() => []);
    return names.filter((name) => name.endsWith('.code')).map((name) => path.join(home, 'cache', name));
  };
  process.env['VM_CHECKPOINTS_HOME'] = home;
  context.after(() => delete process.env['VM_CHECKPOINTS_HOME']);
  const first = await list();
  const [file = '', ...others] = await remembered();
  assert.deepEqual(others, []);
  const { ino } = await stat(file);
  assert.equal(await list(), first);
  assert.equal((await stat(file)).ino, ino, 'it is not written anew');
  await truncate(file, 1000);
  assert.equal(await list(), first);
  assert.ok((await stat(file)).size > 100_000, 'it is written anew');
});
