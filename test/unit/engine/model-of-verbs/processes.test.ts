import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { ResponseError } from 'vscode-jsonrpc/node';
import { z } from 'zod';
import { create } from '../../../../engine/disks/operations/create.ts';
import { CheckpointError } from '../../../../engine/model/checkpoint-error.ts';
import { errorCodes } from '../../../../engine/protocol/errors.ts';
import type { OperationName, Params, Result } from '../../../../engine/protocol/operations.ts';
import { taggedContent } from '../../../support/disks/disk-model.ts';
import { faultsOfHome } from '../../../support/faults/home-state.ts';
import { engineOf, lab, writeToNow } from '../../../support/faults/stopped-lab.ts';
import { seededRandom } from '../../../support/seeded-random.ts';
import { Client } from '../server/client.ts';
import { folderOf } from '../temporary-folder.ts';
import { allAtOnce } from './at-once.ts';
import { requireSameContents, requireSameTree } from './same-as-model.ts';
import { TreeModel } from './tree-model.ts';
import type { VerbEngine } from './verb-engine.ts';

const rounds = Number(process.env['CKPT_MODEL_ROUNDS'] ?? 12);
const diskBytes = 192 * 1024;
const writtenBytes = 5000;
const wireError = z.object({
  code: z.enum(errorCodes),
  message: z.string(),
  data: z.record(z.string(), z.unknown()),
});

test(`three engine processes at once on one machine: ${rounds} rounds → what some order of their verbs leads to`, async (context) => {
  const folder = await folderOf(context);
  const home = path.join(folder, 'home');
  const disk = path.join(folder, 'image.qcow2');
  await create(disk, { format: 'qcow2', virtualSizeBytes: diskBytes });
  const here = engineOf(home);
  await here.service.addMachine({ name: lab, disk, host: 'disks' }, {});
  const engines = (await Promise.all([1, 2, 3].map(() => Client.start(context, home)))).map(verbsOf);
  const random = seededRandom();
  let model = new TreeModel(Buffer.alloc(diskBytes));
  let [verbs, refusals] = [0, 0];
  for (let step = 1; step <= rounds; step++) {
    const offset = Math.floor(random() * (diskBytes - writtenBytes));
    await writeToNow((await here.service.show({ machine: lab })).machine, step, offset, writtenBytes, [folder]);
    model.write(taggedContent(offset, writtenBytes, step), offset);
    const ended = await allAtOnce({ model, random, step, host: 'disks', folder }, engines, 2);
    ({ model } = ended);
    verbs += 2 * engines.length;
    refusals += ended.refusals;
    await requireSameTree(here, model, folder);
    await requireSameContents(here, model, folder, () => true);
  }
  assert.deepEqual(await faultsOfHome(home), { unknown: [], missing: [] });
  const { isSound, machines } = await here.doctor.doctor({ deep: true }, {});
  assert.ok(isSound, JSON.stringify(machines));
  context.diagnostic(
    `${verbs} verbs by three processes, ${refusals} refusals of a locked machine, ${model.points.size} checkpoints at the end`,
  );
});

/** The verbs of an engine that is another process, whose refusals are what they are in this one. */
function verbsOf(client: Client): VerbEngine {
  const call =
    <K extends OperationName>(name: K) =>
    (params: Params<K>): Promise<Result<K>> =>
      client.request(name, params).catch((error: unknown) => {
        throw refusalOf(error);
      });
  return {
    service: {
      show: call('show'),
      take: call('take'),
      apply: call('apply'),
      revert: call('revert'),
      undo: call('undo'),
      redo: call('redo'),
      delete: call('delete'),
      restore: call('restore'),
      emptyTrash: call('emptyTrash'),
      annotate: call('annotate'),
      rename: call('rename'),
      removeMachine: call('removeMachine'),
    },
    groups: { groupTake: call('groupTake'), groupApply: call('groupApply'), groupDelete: call('groupDelete') },
    copies: { clone: call('clone'), flatten: call('flatten'), export: call('export'), import: call('import') },
    retention: { policy: call('policy'), prune: call('prune') },
    doctor: { doctor: call('doctor') },
  };
}

function refusalOf(error: unknown): unknown {
  const found = error instanceof ResponseError ? wireError.safeParse(error.data).data : undefined;
  return found === undefined ? error : new CheckpointError(found.code, found.message, found.data);
}
