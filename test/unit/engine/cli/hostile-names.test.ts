import assert from 'node:assert/strict';
import path from 'node:path';
import { before, describe, it } from 'node:test';
import { Ckpt } from '../../../support/ckpt.ts';
import { makeImage } from '../disks/made-images.ts';
import { folderOfSuite } from '../temporary-folder.ts';
import { refused } from './refusals.ts';

const names: [what: string, name: string][] = [
  ['no characters', ''],
  ['double quotes', 'say "hi"'],
  ['single quotes', "it's"],
  ['a slash', 'a/b'],
  ['a way out', '../../escaped'],
  ['a backslash', 'a\\b'],
  ['a line break', 'two\nlines'],
  ['an escape sequence', 'a\u001b[2Jb'],
  ['300 characters', 'n'.repeat(300)],
  ['a right-to-left override', 'a\u202eb'],
];

describe('names that nothing may have', () => {
  const folder = folderOfSuite();
  const home = path.join(folder, 'home');
  let disk = '';
  before(async () => {
    disk = await makeImage(folder, 'disk.qcow2', 'qcow2');
    const ckpt = new Ckpt(home);
    await ckpt.run('createMachine', ['create-machine', 'lab', '--disk', disk]);
    await ckpt.run('take', ['take', 'lab', 'one']);
  });
  for (const [what, name] of names) {
    it(`a name with ${what} → InvalidName, for machines and for checkpoints`, async () => {
      await refused(home, ['create-machine', name, '--disk', disk], 'InvalidName');
      await refused(home, ['add', name, '--disk', disk], 'InvalidName');
      await refused(home, ['take', 'lab', '--name', name], 'InvalidName');
      await refused(home, ['rename', 'lab', 'one', name], 'InvalidName');
    });
  }
  for (const name of ['CON', 'nul.txt', '.hidden', 'a:b', 'a*']) {
    it(`the name ${name} → InvalidName for a machine, fine for a checkpoint`, async () => {
      await refused(home, ['create-machine', name, '--disk', disk], 'InvalidName');
      const { checkpoint } = await new Ckpt(home).run('take', ['take', 'lab', '--name', name]);
      assert.equal(checkpoint.name, name);
    });
  }
});

describe('names that need care', () => {
  const folder = folderOfSuite();
  for (const name of ['a, b=c', 'über 中文 🙂', '$(id) & %PATH%; #1', "o{}[]~!@^+'".replace("'", '')]) {
    it(`${name} → created, listed and removed under it`, async () => {
      const ckpt = new Ckpt(path.join(folder, 'home of, many: things'));
      const disk = await makeImage(folder, `${name}.qcow2`, 'qcow2');
      await ckpt.run('createMachine', ['create-machine', name, '--disk', disk]);
      await ckpt.run('addMachine', ['add', `${name} 2`, '--disk', disk]);
      await ckpt.run('take', ['take', name, name]);
      const { machine } = await ckpt.run('revert', ['revert', name]);
      assert.deepEqual([machine.name, path.basename(machine.folder)], [name, name]);
      await ckpt.run('removeMachine', ['remove-machine', name]);
      await ckpt.run('removeMachine', ['remove-machine', `${name} 2`]);
    });
  }
});
