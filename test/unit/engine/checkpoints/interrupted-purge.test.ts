import { EngineRun } from '../../../support/faults/engine-run.ts';
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import type { JobCall } from '../../../../engine/checkpoints/run-job.ts';
import { toWireError } from '../../../../engine/model/checkpoint-error.ts';
import { findQemuOnce } from '../../../support/faults/quick-qemu.ts';
import { copyFolder, engineOf, lab } from '../../../support/faults/stopped-lab.ts';
import { copiesLab, disorderOf, machineOf, pointsOf } from './copies-lab.ts';

test('a job that deletes for good, killed at any call → resumed it ends, undone it says what is so; each as often as one likes', async (context) => {
  findQemuOnce();
  const { engine, place, folder, points } = await copiesLab(context);
  const three = (await machineOf(engine)).checkpoints.find(({ name }) => name === 'three');
  const params = { machine: lab, checkpoints: [three?.id ?? ''] };
  const home = path.join(folder, 'tried');
  const purge = async (signal: AbortSignal): Promise<object> => {
    const job = engineOf(home).runnableJobs['delete'];
    const call: JobCall = { signal, report: () => undefined };
    assert.ok(job !== undefined);
    return job(params, call);
  };
  const going = new AbortController().signal;
  let killed = 0;
  for (let call = 1; ; call += 4) {
    await rm(home, { recursive: true, force: true });
    await copyFolder(place.home, home);
    const { outcome } = await EngineRun.of({ call, kind: 'before' }, () => purge(going));
    if (outcome.kind !== 'died') {
      break;
    }
    killed += 1;
    if (killed % 2 === 0) {
      await assert.rejects(purge(AbortSignal.abort()), (error: unknown) => toWireError(error).code === 'Cancelled');
      await assert.rejects(purge(AbortSignal.abort()), (error: unknown) => toWireError(error).code === 'Cancelled');
      const found = await pointsOf(engineOf(home), folder);
      assert.deepEqual({ three: points['three'], ...found }, points, `undone at ${call}`);
    }
    await purge(going);
    await purge(going);
    const found = await pointsOf(engineOf(home), folder);
    assert.equal(found['three'], undefined);
    assert.deepEqual({ ...found, three: points['three'] }, points, `resumed at ${call}`);
    assert.deepEqual(await disorderOf({ ...place, home }), [], `at ${call}`);
  }
  context.diagnostic(`killed at ${killed} calls`);
  assert.ok(killed > 5);
});
