import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { before, describe, it, test } from 'node:test';
import type { MachineInfo } from '../../../../engine/protocol/machines.ts';
import { Ckpt, runCkpt } from '../../../support/ckpt.ts';
import { runProgram } from '../../../support/project.ts';
import { makeImage } from '../disks/made-images.ts';
import { folderOf, folderOfSuite } from '../temporary-folder.ts';
import { refused } from './refusals.ts';

describe('a folder of machines that others have tampered with', () => {
  const folder = folderOfSuite();
  const home = path.join(folder, 'home');
  const machines = path.join(home, 'machines');
  const ckpt = new Ckpt(home);
  let disk = '';

  before(async () => {
    disk = await makeImage(folder, 'disk.qcow2', 'qcow2');
    await ckpt.run('createMachine', ['create-machine', 'sound', '--disk', disk]);
  });

  const listed = async (): Promise<MachineInfo[]> => {
    const [host] = (await ckpt.run('list', ['list'])).hosts;
    return host?.machines ?? [];
  };

  const oddities: [what: string, make: (machine: string) => Promise<unknown>][] = [
    ['an empty folder', async () => undefined],
    ['a folder in place of machine.json', (machine) => mkdir(path.join(machine, 'machine.json'))],
    [
      'a link to itself in place of machine.json',
      (machine) => symlink('machine.json', path.join(machine, 'machine.json')),
    ],
    ['a pipe in place of machine.json', (machine) => runProgram('mkfifo', [path.join(machine, 'machine.json')])],
    ['a device in place of now.json', (machine) => symlink('/dev/zero', path.join(machine, 'now.json'))],
    ['a file in place of checkpoints', (machine) => writeFile(path.join(machine, 'checkpoints'), '')],
    [
      'a process record that is no JSON',
      async (machine) => {
        await mkdir(path.join(machine, 'run'));
        await writeFile(path.join(machine, 'run', 'current-process.json'), '{');
      },
    ],
  ];
  for (const [what, make] of oddities) {
    it(`${what} → shown as damaged; the others as they are`, { timeout: 10_000 }, async () => {
      const machine = path.join(machines, 'odd');
      await mkdir(machine);
      try {
        await make(machine);
        const found = await listed();
        assert.deepEqual(
          found.map(({ name, state }) => [name, state]),
          [
            ['odd', 'damaged'],
            ['sound', 'stopped'],
          ],
        );
        assert.notEqual(found[0]?.problem ?? '', '');
        await ckpt.run('take', ['take', 'sound']);
      } finally {
        await rm(machine, { recursive: true });
      }
    });
  }

  it('links and files among the machines → no machines, and their names are taken', async () => {
    await symlink('/nowhere', path.join(machines, 'link'));
    await symlink(folder, path.join(machines, 'folder link'));
    await writeFile(path.join(machines, 'file'), '');
    assert.deepEqual(
      (await listed()).map(({ name }) => name),
      ['sound'],
    );
    for (const name of ['link', 'folder link', 'file']) {
      await refused(home, ['create-machine', name, '--disk', disk], 'NameInUse');
    }
  });

  it('a name that a terminal would obey → shown, not obeyed', async () => {
    const machine = path.join(machines, 'red \u001b[31m');
    await mkdir(machine);
    const { stdout } = await runCkpt(home, ['list']);
    await rm(machine, { recursive: true });
    assert.match(stdout, /red \ufffd\[31m/);
    assert.ok(!stdout.includes('\u001b'));
  });

  it('a process record that names a foreign folder and process → neither is touched', async () => {
    const precious = path.join(folder, 'precious');
    await mkdir(precious);
    await writeFile(path.join(precious, 'file'), '');
    const record = {
      version: 1,
      pid: process.pid,
      socketsFolder: precious,
      started: '2026-11-21T09:00:00.000Z',
      hypervisor: { version: '7', accelerator: 'tcg', guestArguments: [] },
    };
    await writeFile(path.join(machines, 'sound', 'run', 'current-process.json'), JSON.stringify(record));
    assert.equal((await ckpt.run('show', ['show', 'sound'])).machine.state, 'stopped');
    await refused(home, ['stop', 'sound', '--force'], 'MachineNotRunning');
    const started = await ckpt.run('start', ['start', 'sound', '--home', home]);
    assert.equal(started.machine.state, 'running');
    await refused(home, ['remove-machine', 'sound'], 'MachineRunning');
    await ckpt.run('stop', ['stop', 'sound', '--force']);
    assert.deepEqual(await readdir(precious), ['file']);
  });
});

test('a relative home → the same machines as by its whole path', async (context) => {
  const folder = await folderOf(context);
  const disk = await makeImage(folder, 'disk.qcow2', 'qcow2');
  const relative = path.relative(process.cwd(), path.join(folder, 'home'));
  await new Ckpt('unused').run('createMachine', ['create-machine', 'lab', '--disk', disk, '--home', relative]);
  const { machine } = await new Ckpt(path.join(folder, 'home')).run('show', ['show', 'lab']);
  assert.equal(machine.folder, path.join(folder, 'home', 'machines', 'lab'));
});

test('an empty VM_CHECKPOINTS_HOME → the default home, not the folder that one is in', async (context) => {
  const folder = await folderOf(context);
  const before = await readdir(process.cwd());
  const disk = await makeImage(folder, 'disk.qcow2', 'qcow2');
  const { code } = await runCkpt('', ['create-machine', 'lab', '--disk', disk], { env: { XDG_DATA_HOME: folder } });
  assert.equal(code, 0);
  assert.deepEqual(await readdir(process.cwd()), before);
  assert.deepEqual((await readdir(folder)).sort(), ['disk.qcow2', 'vm-checkpoints']);
});

describe('QEMU missing', () => {
  const folder = folderOfSuite();
  const home = path.join(folder, 'home');
  const empty = path.join(folder, 'empty');
  let disk = '';
  before(async () => {
    disk = await makeImage(folder, 'disk.qcow2', 'qcow2');
    await mkdir(empty);
    await new Ckpt(home).run('createMachine', ['create-machine', 'lab', '--disk', disk]);
    await new Ckpt(home).run('take', ['take', 'lab', 'one']);
  });

  const environments: [what: string, env: NodeJS.ProcessEnv][] = [
    ['an empty folder in VM_CHECKPOINTS_QEMU', { VM_CHECKPOINTS_QEMU: path.join(folder, 'empty') }],
    ['a path that is not there in VM_CHECKPOINTS_QEMU', { VM_CHECKPOINTS_QEMU: '/nowhere/qemu' }],
    ['nothing on the PATH', { PATH: path.join(folder, 'empty') }],
    ['no PATH', { PATH: '' }],
  ];
  for (const [what, env] of environments) {
    it(`${what} → a start is QemuNotFound, with the command that installs it`, async () => {
      assert.match((await refused(home, ['start', 'lab'], 'QemuNotFound', { env })).message, /[Ii]nstall/);
    });
    it(`${what} → checkpoints work: disks need no QEMU`, async () => {
      const ckpt = new Ckpt(home, env);
      await ckpt.run('createMachine', ['create-machine', 'x', '--disk', disk]);
      await ckpt.run('take', ['take', 'x', 'one']);
      await ckpt.run('revert', ['revert', 'x']);
      await ckpt.run('undo', ['undo', 'x']);
      await ckpt.run('delete', ['delete', 'x', 'one', '--purge']);
      await ckpt.run('removeMachine', ['remove-machine', 'x']);
    });
    it(`${what} → machines are still listed and renamed`, async () => {
      const ckpt = new Ckpt(home, env);
      const [host] = (await ckpt.run('list', ['list'])).hosts;
      assert.deepEqual([host?.available, host?.machines.length], [false, 1]);
      assert.match(host?.problem ?? '', /Install it with/);
      await ckpt.run('rename', ['rename', 'lab', 'one', 'one']);
    });
  }

  it('a program that is no QEMU → QemuFailed, and says where to set it', async () => {
    const name = path.join(empty, 'qemu-system-x86_64');
    await writeFile(name, '#!/bin/sh\necho hello\n');
    await chmod(name, 0o755);
    const env = { VM_CHECKPOINTS_QEMU: empty };
    assert.match((await refused(home, ['start', 'lab'], 'QemuFailed', { env })).message, /settings/);
  });
});
