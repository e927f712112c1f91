import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { describe, it } from 'node:test';
import type { DiskFormat } from '../../../../engine/model/machine.ts';
import type { HostId } from '../../../../engine/protocol/machines.ts';
import { contentHash } from '../../../support/faults/home-state.ts';
import { findQemuOnce } from '../../../support/faults/quick-qemu.ts';
import { lab as machine } from '../../../support/faults/stopped-lab.ts';
import { folderOfSuite } from '../temporary-folder.ts';
import { SemanticsLab } from './semantics-lab.ts';
import { deletes, trashStories } from './semantics-table.ts';

/** Machines of ours, and disks of another program. */
const kinds: readonly { host: HostId; format: DiskFormat }[] = [
  { host: 'qemu', format: 'qcow2' },
  { host: 'disks', format: 'vhdx' },
  { host: 'disks', format: 'vhd' },
];

describe('what deleting does to the tree and to the layers', () => {
  const folder = folderOfSuite();
  findQemuOnce();
  let made = 0;
  const labOf = (kind: (typeof kinds)[number], row: { given: string; big?: string }): Promise<SemanticsLab> =>
    SemanticsLab.of(path.join(folder, String((made += 1))), { ...kind, ...row });

  for (const kind of kinds) {
    const { host, format } = kind;
    // The tree is the same in every format; how layers merge is not.
    const rows = Object.entries(deletes).filter(
      ([, row]) => host === 'qemu' || row.big !== undefined || row.merges === true,
    );
    for (const [what, row] of rows) {
      it(`${format}: ${row.given}, delete ${row.deletes.map(([one]) => one).join(', then ')}: ${what}`, async () => {
        const lab = await labOf(kind, row);
        // First into the trash, whence everything comes back …
        const way = [row.given];
        const gone: string[][] = [];
        for (const [deleted, tree] of row.deletes) {
          const before = new Set(await lab.trashed());
          await lab.do(`delete ${deleted}`);
          assert.deepEqual(await lab.look(), { tree, layers: row.given }, `in the trash: ${deleted}`);
          gone.push((await lab.trashed()).filter((one) => !before.has(one)));
          way.push(tree);
        }
        for (const [at, labels] of [...gone.entries()].toReversed()) {
          for (const label of labels) {
            await lab.do(`restore ${label}`);
          }
          assert.deepEqual(await lab.look(), { tree: way[at], layers: row.given }, `restored: ${labels.join()}`);
        }
        // … then for good.
        for (const [deleted, tree, layers] of row.deletes) {
          await lab.do(`delete ${deleted} for good`);
          assert.deepEqual(await lab.look(), { tree, layers }, `for good: ${deleted}`);
        }
        await lab.requireSound();
      });
    }
    for (const [what, row] of Object.entries(trashStories)) {
      it(`${format}: ${row.given}, ${row.steps.map(([step]) => step).join(', ')}: ${what}`, async () => {
        const lab = await labOf(kind, row);
        for (const [step, tree, layers] of row.steps) {
          await lab.do(step);
          assert.deepEqual(await lab.look(), { tree, layers }, step);
        }
        await lab.requireSound();
      });
    }

    it(`${format}: A(B(C) D(Now)), remove the machine: nothing of it is left; another program’s disk stays as Now`, async () => {
      const lab = await labOf(kind, { given: 'A(B(C) D(Now))' });
      const { service } = lab.engine;
      const disk = (await service.show({ machine })).machine.disks[0]?.activeLayer ?? '';
      const before = await contentHash(disk);
      await lab.do('delete C');
      await service.removeMachine({ machine });
      assert.deepEqual(
        (await readdir(path.join(lab.home, 'machines'))).filter((name) => name !== '.sweep'),
        [],
      );
      const left = (await readdir(path.dirname(lab.home))).filter((name) => name.startsWith('disk'));
      if (host === 'qemu') {
        assert.deepEqual(left, ['disk.qcow2'], 'the image that it was made of');
      } else {
        assert.equal(await contentHash(disk), before);
        assert.equal(left.length, 3, `Now, and what it stands on (D and A): ${left.join()}`);
      }
    });
  }
});
