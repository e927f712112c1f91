import assert from 'node:assert/strict';
import { appendFile, copyFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { before, describe, it } from 'node:test';
import type { ErrorCode } from '../../../../engine/protocol/errors.ts';
import { Ckpt } from '../../../support/ckpt.ts';
import { makeImage } from '../disks/made-images.ts';
import { lockProcess } from '../store/lock-process.ts';
import { folderOfSuite } from '../temporary-folder.ts';
import { refused } from './refusals.ts';

describe('every refusal: its code, exit code 1, a sentence, and nothing changes', () => {
  const folder = folderOfSuite();
  const home = path.join(folder, 'home');
  const ckpt = new Ckpt(home);
  let disk = '';
  const machine = (name: string): string => path.join(home, 'machines', name);

  before(async () => {
    disk = await makeImage(folder, 'disk.qcow2', 'qcow2');
    await ckpt.run('createMachine', ['create-machine', 'lab', '--disk', disk]);
    await ckpt.run('take', ['take', 'lab', 'twin']);
    await ckpt.run('take', ['take', 'lab', 'twin']);
    await ckpt.run('createMachine', ['create-machine', 'new', '--disk', disk]);
  });

  const table: [what: string, args: () => string[], code: ErrorCode][] = [
    ['both a disk and an image', () => ['create-machine', 'x', '--disk', disk, '--image', 'y'], 'InvalidArgument'],
    ['neither a disk nor an image', () => ['create-machine', 'x'], 'InvalidArgument'],
    ['a format other than raw', () => ['add', 'x', '--disk', disk, '--format', 'qcow2'], 'InvalidArgument'],
    ['more memory than can be', () => ['add', 'x', '--disk', disk, '--memory', '999999999'], 'InvalidArgument'],
    ['no memory', () => ['add', 'x', '--disk', disk, '--memory', '0'], 'InvalidArgument'],
    ['a name that is taken', () => ['create-machine', 'lab', '--disk', disk], 'NameInUse'],
    ['a name that is taken in other letters', () => ['add', 'LAB', '--disk', disk], 'NameInUse'],
    ['a machine that is not there', () => ['take', 'nobody'], 'MachineNotFound'],
    ['a machine by way of a path', () => ['take', '../machines/lab'], 'MachineNotFound'],
    ['a machine without a name', () => ['take', ''], 'InvalidArgument'],
    ['a checkpoint that is not there', () => ['apply', 'lab', 'nothing'], 'CheckpointNotFound'],
    ['a checkpoint of another machine', () => ['delete', 'new', 'twin'], 'CheckpointNotFound'],
    ['a name of two checkpoints', () => ['delete', 'lab', 'twin'], 'AmbiguousName'],
    ['a rename without a name', () => ['rename', 'lab', 'twin', ''], 'InvalidName'],
    ['memory of a stopped machine', () => ['take', 'lab', '--memory'], 'MachineNotRunning'],
    ['a stop of a stopped machine', () => ['stop', 'lab'], 'MachineNotRunning'],
    ['a pause of a stopped machine', () => ['pause', 'lab'], 'MachineNotRunning'],
    ['a resume of a stopped machine', () => ['resume', 'lab'], 'MachineNotRunning'],
    ['an image that is not in the catalogue', () => ['create-machine', 'x', '--image', 'none'], 'ImageNotFound'],
    ['a revert without a checkpoint', () => ['revert', 'new'], 'NothingToRevert'],
    ['an undo of nothing', () => ['undo', 'lab'], 'NothingToUndo'],
  ];
  for (const [what, args, code] of table) {
    it(`${what} → ${code}`, async () => {
      await refused(home, args(), code);
    });
  }

  it('a machine that another process changes → Locked, naming it', async (context) => {
    const other = await lockProcess(context, 'kernel', path.join(machine('lab'), 'lock'));
    const error = await refused(home, ['take', 'lab'], 'Locked');
    assert.match(error.message, new RegExp(`a test \\(process ${other.pid}, take\\)`));
    assert.equal((await ckpt.run('show', ['show', 'lab'])).machine.busy?.operation, 'take');
  });

  it('a base that was written after it was added → ParentMismatch; nothing starts', async () => {
    const base = path.join(folder, 'base.qcow2');
    await copyFile(disk, base);
    await ckpt.run('addMachine', ['add', 'added', '--disk', base]);
    await ckpt.run('take', ['take', 'added', 'one']);
    await appendFile(base, Buffer.alloc(512));
    for (const args of [
      ['start', 'added'],
      ['take', 'added'],
      ['revert', 'added'],
    ]) {
      assert.match((await refused(home, args, 'ParentMismatch')).message, /base\.qcow2 was changed/);
    }
  });

  it('a manifest that is cut short → MachineDamaged; shown as damaged, with the file', async () => {
    await ckpt.run('createMachine', ['create-machine', 'cut', '--disk', disk]);
    await ckpt.run('take', ['take', 'cut', 'one']);
    const [name = ''] = await readdir(path.join(machine('cut'), 'checkpoints'));
    const manifest = path.join(machine('cut'), 'checkpoints', name);
    await writeFile(manifest, (await readFile(manifest)).subarray(0, 100));
    for (const args of [
      ['start', 'cut'],
      ['take', 'cut'],
      ['revert', 'cut'],
      ['undo', 'cut'],
      ['delete', 'cut', 'one'],
      ['rename', 'cut', 'one', 'two'],
      ['remove-machine', 'cut'],
    ]) {
      await refused(home, args, 'MachineDamaged');
    }
    const { machine: shown } = await ckpt.run('show', ['show', 'cut']);
    assert.equal(shown.state, 'damaged');
    assert.match(shown.problem ?? '', new RegExp(name));
  });

  it('a catalogue entry whose disk is not the published one, or is missing → ImageDamaged', async () => {
    const entry = path.join(home, 'images', 'entry');
    await mkdir(entry, { recursive: true });
    const record = {
      schema: 1,
      name: 'entry',
      description: 'd',
      disk: { file: 'disk.qcow2', format: 'qcow2', sha256: '0'.repeat(64) },
      memoryMiB: 64,
      cpus: 1,
    };
    await writeFile(path.join(entry, 'image.json'), JSON.stringify(record));
    await refused(home, ['create-machine', 'x', '--image', 'entry'], 'ImageDamaged');
    await copyFile(disk, path.join(entry, 'disk.qcow2'));
    await refused(home, ['create-machine', 'x', '--image', 'entry'], 'ImageDamaged');
    await writeFile(path.join(entry, 'image.json'), '{');
    await refused(home, ['images'], 'ImageDamaged');
    await rm(entry, { recursive: true });
  });
});
