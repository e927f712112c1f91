import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { describe, it } from 'node:test';
import { create } from '../../../../engine/disks/operations/create.ts';
import type { Engine } from '../../../../engine/engine.ts';
import type { DiskFormat } from '../../../../engine/model/machine.ts';
import type { HostId } from '../../../../engine/protocol/machines.ts';
import { plannedOperations, type PlannedOperation } from '../../../../engine/protocol/plans.ts';
import { findQemuOnce } from '../../../support/faults/quick-qemu.ts';
import { engineOf, lab } from '../../../support/faults/stopped-lab.ts';
import { carriedOutAsPlanned } from '../../../support/planned.ts';
import { seededRandom } from '../../../support/seeded-random.ts';
import { folderOfSuite } from '../temporary-folder.ts';
import { chooseDeed } from './random-verbs.ts';
import { TreeModel } from './tree-model.ts';

const steps = Number(process.env['CKPT_MODEL_STEPS'] ?? 40);

const kinds: readonly { host: HostId; format: DiskFormat }[] = [
  { host: 'qemu', format: 'qcow2' },
  { host: 'disks', format: 'qcow2' },
  { host: 'disks', format: 'vhdx' },
];

describe('random programs of verbs, each planned before it is carried out', () => {
  const folder = folderOfSuite();
  findQemuOnce();
  for (const { host, format } of kinds) {
    it(`${host}, ${format}: ${steps} steps → the plan changes nothing, and says what happens`, async (context) => {
      const random = seededRandom();
      const place = path.join(folder, `${host} ${format}`);
      await mkdir(place);
      const disk = path.join(place, `image.${format}`);
      await create(disk, { format, virtualSizeBytes: format === 'qcow2' ? 192 * 1024 : 1024 * 1024 });
      const engine = engineOf(path.join(place, 'home'));
      const created = await (host === 'qemu'
        ? engine.service.createMachine({ name: lab, disk }, {})
        : engine.service.addMachine({ name: lab, disk, host }, {}));
      const model = new TreeModel(Buffer.alloc(created.machine.disks[0]?.virtualSizeBytes ?? 0));
      const counts = new Map<string, number>();
      const planned = planning(engine, place, (operation) => counts.set(operation, (counts.get(operation) ?? 0) + 1));
      for (let step = 1; step <= steps; step++) {
        // Half of the steps are those of a machine by itself: what is written, cloned and exported.
        const deed = chooseDeed({ model, random, step, host, folder: place }, random() < 0.6);
        const refusal = deed.refusal(model);
        if (refusal === undefined) {
          (await deed.run(planned))(model);
        } else {
          await assert.rejects(deed.run(planned), { code: refusal });
        }
      }
      context.diagnostic([...counts].map(([operation, count]) => `${count} × ${operation}`).join(', '));
    });
  }
});

/** The engine, with each verb planned first. */
function planning(engine: Engine, folder: string, count: (operation: PlannedOperation) => void): Engine {
  const first = <T extends object>(service: T): T =>
    new Proxy(service, {
      get(target, name): unknown {
        const operation = plannedOperations.find((one) => one === name);
        const verb: unknown = Reflect.get(target, name);
        if (typeof verb !== 'function') {
          return verb;
        }
        return async (params: object, call: object = {}) => {
          const act = async (): Promise<unknown> => verb.call(target, params, call);
          if (operation === undefined) {
            return act();
          }
          count(operation);
          const { plan, result } = await carriedOutAsPlanned({ engine, folder }, operation, params, act);
          const merged = plan.steps.reduce((bytes, step) => bytes + (step.kind === 'merge' ? step.bytes : 0), 0);
          if (typeof result === 'object' && result !== null && 'movedBytes' in result) {
            assert.equal(merged, result.movedBytes, `bytes that ${operation} moves`);
          }
          return result;
        };
      },
    });
  return { ...engine, service: first(engine.service), copies: first(engine.copies), groups: first(engine.groups) };
}
