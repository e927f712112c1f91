import assert from 'node:assert/strict';
import { cp, rm, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it, test } from 'node:test';
import { MachineFolder } from '../../engine/store/machine-folder.ts';
import { Ckpt, type Refusal } from '../support/ckpt.ts';
import { MergingMachine } from '../support/merging-machine.ts';
import { guestFolder, runProgram } from '../support/project.ts';
import { guestImageName } from '../support/set-up.ts';
import { fillUp, smallVolume } from '../support/small-volume.ts';
import { TestHome } from '../support/test-home.ts';

const mebibyte = 2 ** 20;

describe('a running machine with two disks, in folders whose names are not plain, and with saved memory', () => {
  const name = 'Prüfstand 机器';
  let home: TestHome;
  let lab: MergingMachine;

  let ckpt: Ckpt;

  before(async () => {
    home = await TestHome.create();
    const place = path.join(home.folder, 'Größe, “新”');
    await cp(path.join(guestFolder, guestImageName), path.join(place, 'images', guestImageName), { recursive: true });
    ckpt = new Ckpt(place);
    const { machine } = await ckpt.run('createMachine', ['create-machine', name, '--image', guestImageName]);
    await addDisk(machine.folder, 64 * mebibyte);
    lab = new MergingMachine(ckpt, name);
    await lab.start();
    await lab.shell('mkdir -p /mnt/other; mount -t ext4 /dev/vdb /mnt/other');
  });
  after(async () => {
    await ckpt.run('stop', ['stop', name, '--force']).catch(() => undefined);
    await home.remove();
  });

  it('checkpoints are deleted for good → layers of both disks merge, the memory goes, both disks read as before', async () => {
    for (const checkpoint of ['один', 'two', 'three']) {
      await lab.write(2);
      await lab.write(checkpoint === 'two' ? 4 : 1, '/mnt/other');
      await ckpt.run('take', ['take', name, checkpoint]);
    }
    for (const checkpoint of ['two', 'один', 'three']) {
      const gone = await ckpt.run('delete', ['delete', name, checkpoint, '--purge']);
      assert.equal(gone.problem, undefined);
      await lab.requireMerged();
      await lab.requireGuest();
    }
    const layers = new Set((await lab.show()).disks.map(({ activeLayer }) => activeLayer));
    assert.equal(layers.size, 2);
    await lab.write(1, '/mnt/other');
    // What goes on is a machine like any other.
    await ckpt.run('take', ['take', name, 'after']);
    await ckpt.run('revert', ['revert', name]);
    await lab.requireGuest();
    await ckpt.run('stop', ['stop', name]);
    await lab.requireDisk();
  });
});

/** Gives a machine that never ran a second disk with an empty file system. */
async function addDisk(machine: string, virtualSizeBytes: number): Promise<void> {
  const folder = new MachineFolder(machine);
  const { definition, now } = await folder.read();
  const layer = 'layers/disk1-00000001.qcow2';
  const raw = path.join(machine, 'boot', 'other.raw');
  await writeFile(raw, '');
  await truncate(raw, virtualSizeBytes);
  await runProgram('mke2fs', ['-q', '-t', 'ext4', raw], {
    env: { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` },
  });
  await runProgram('qemu-img', ['convert', '-O', 'qcow2', raw, folder.inner(layer)]);
  await rm(raw);
  await folder.writeDefinition({ ...definition, disks: [...definition.disks, { id: 'disk1', virtualSizeBytes }] });
  await folder.writeNow({ ...now, activeLayers: { ...now.activeLayers, disk1: layer } });
}

test('the volume becomes full during a merge → refused with the way out, nothing is lost; with space it merges', async (context) => {
  const volume = await smallVolume(context, 320 * mebibyte);
  if (volume === undefined) {
    return;
  }
  const home = path.join(volume, 'home');
  await cp(path.join(guestFolder, guestImageName), path.join(home, 'images', guestImageName), { recursive: true });
  const ckpt = new Ckpt(home);
  const lab = new MergingMachine(ckpt, 'lab');
  await ckpt.run('createMachine', ['create-machine', 'lab', '--image', guestImageName]);
  context.after(() => ckpt.run('stop', ['stop', 'lab', '--force']).catch(() => undefined));
  await lab.start();
  await lab.write(24);
  await lab.take('full');
  await lab.write(24);
  await ckpt.run('take', ['take', 'lab', 'above', '--no-memory']);
  await ckpt.run('delete', ['delete', 'lab', 'full']);
  await ckpt.run('freeSpace', ['free-space', 'lab']);
  const refused = assert.rejects(
    ckpt.run('mergeLayers', ['merge-layers', 'lab', '--speed', '4M']),
    ({ error }: Refusal) => {
      assert.equal(error.code, 'NotEnoughSpace');
      return true;
    },
  );
  await lab.untilMerging();
  const filler = fillUp(volume);
  await refused;
  await rm(filler);
  const { state } = await lab.show();
  if (state === 'paused') {
    // What the guest wrote itself did not fit either.
    await ckpt.run('resume', ['resume', 'lab']);
  }
  assert.equal((await lab.hidden()).length, 1);
  await lab.requireGuest();
  assert.equal((await ckpt.run('mergeLayers', ['merge-layers', 'lab'])).mergedLayers, 1);
  await lab.requireMerged();
  await lab.requireGuest();
  await ckpt.run('stop', ['stop', 'lab']);
  await lab.requireDisk({ wasCutOff: true });
});
