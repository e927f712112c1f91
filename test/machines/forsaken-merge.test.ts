import assert from 'node:assert/strict';
import { closeSync, openSync, readFileSync, readSync, statSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { z } from 'zod';
import { QmpConnection } from '../../engine/hosts/qemu/qmp.ts';
import { socketsIn } from '../../engine/hosts/qemu/sockets-folder.ts';
import { processRecord } from '../../engine/store/records.ts';
import { MergingMachine } from '../support/merging-machine.ts';
import { TestHome } from '../support/test-home.ts';
import { until } from '../support/vscode/until.ts';
import { Client } from '../unit/engine/server/client.ts';

const name = 'lab';
/** What is promised, and as long again for a computer that has other things to do. */
const endedWithinMs = 4000;
const firstLooksMs = 8000;
/** The engine is there for a few milliseconds only: at times it is quicker than whoever kills it. */
const mostRounds = 12;

const jobsAnswer = z.array(z.object({ status: z.string() }));

describe('an engine that is killed while the writes of a guest wait for it, between job-complete and job-finalize', () => {
  let home: TestHome;
  let lab: MergingMachine;

  before(async () => {
    home = await TestHome.withGuest();
    await home.ckpt.run('createMachine', ['create-machine', name, '--image', 'playground']);
    lab = new MergingMachine(home.ckpt, name);
    await lab.start();
  });
  after(() => home.remove());

  const socketsFolder = (): string => {
    const record = path.join(home.machineFolder(name), 'run', 'current-process.json');
    return processRecord.parse(JSON.parse(readFileSync(record, 'utf8'))).socketsFolder;
  };
  /** Statuses of QEMU's jobs. */
  const jobs = async (): Promise<string[]> => {
    const status = await QmpConnection.connect(socketsIn(socketsFolder()).status, 1000);
    try {
      return (await status.query('query-jobs', jobsAnswer)).map((job) => job.status);
    } finally {
      status.close();
    }
  };
  /** Waits until QEMU says that a job waits to be finalized. */
  const untilPending = async (isOver: () => boolean): Promise<void> => {
    const log = path.join(socketsFolder(), 'events.log');
    let read = statSync(log).size;
    const file = openSync(log, 'r');
    const buffer = Buffer.alloc(64 * 1024);
    try {
      let said = '';
      while (!/"status": "pending"/.test(said) && !isOver()) {
        await setImmediate();
        const bytes = readSync(file, buffer, 0, buffer.length, read);
        read += bytes;
        said += buffer.toString('utf8', 0, bytes);
      }
    } finally {
      closeSync(file);
    }
  };
  /** Lets a merge of the active layer begin, and kills its engine there. @returns the round in which that was in time */
  const killWhileWritesWait = async (): Promise<number> => {
    for (let round = 1; round <= mostRounds; round += 1) {
      await lab.write(4);
      await lab.take(`forsaken ${round}`);
      const merge = lab.begin(['delete', name, `forsaken ${round}`, '--purge']);
      let isOver = false;
      void merge.ended.then(() => (isOver = true));
      await untilPending(() => isOver);
      merge.child.kill('SIGKILL');
      await merge.ended;
      if ((await jobs()).includes('pending')) {
        return round;
      }
      await home.ckpt.run('mergeLayers', ['merge-layers', name]);
    }
    throw new Error(`No engine was killed in time, in ${mostRounds} rounds.`);
  };

  it('somebody has a window open → it lets the writes go on by itself, at once', async (context) => {
    await Client.start(context, home.folder);
    const greeted = performance.now();
    // It has looked for what expired by then, which would end the merge in passing.
    await until('its first looks', () => performance.now() - greeted > firstLooksMs, { timeoutMilliseconds: 20_000 });
    const round = await killWhileWritesWait();
    const killed = performance.now();
    await until('the merge to be ended', async () => (await jobs()).length === 0, {
      timeoutMilliseconds: 30_000,
      intervalMilliseconds: 20,
    });
    const endedMs = Math.round(performance.now() - killed);
    context.diagnostic(`round ${round}: ended after ${endedMs} ms`);
    assert.ok(endedMs < endedWithinMs, `ended after ${endedMs} ms`);
    await lab.requireGuest();
    await home.ckpt.run('mergeLayers', ['merge-layers', name]);
    await lab.requireMerged();
  });

  it('nobody has one → the process does that stands in for the engine', async (context) => {
    await killWhileWritesWait();
    const killed = performance.now();
    await until('the merge to be ended', async () => (await jobs()).length === 0, {
      timeoutMilliseconds: 30_000,
      intervalMilliseconds: 20,
    });
    const endedMs = Math.round(performance.now() - killed);
    context.diagnostic(`ended after ${endedMs} ms`);
    assert.ok(endedMs < endedWithinMs, `ended after ${endedMs} ms`);
    await lab.requireGuest();
    await home.ckpt.run('mergeLayers', ['merge-layers', name]);
    await lab.requireMerged();
    await home.ckpt.run('stop', ['stop', name]);
    await lab.requireDisk({ wasCutOff: true });
  });
});
