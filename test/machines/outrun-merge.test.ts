import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { before, describe, it } from 'node:test';
import { z } from 'zod';
import { QmpConnection } from '../../engine/hosts/qemu/qmp.ts';
import { socketsIn } from '../../engine/hosts/qemu/sockets-folder.ts';
import { processRecord } from '../../engine/store/records.ts';
import type { Refusal } from '../support/ckpt.ts';
import { homeOfSuite } from '../support/home-of-suite.ts';
import { MergingMachine } from '../support/merging-machine.ts';
import { until } from '../support/vscode/until.ts';

const name = 'lab';

const blockAnswer = z.array(z.object({ inserted: z.object({ bps_wr: z.number(), iops_wr: z.number() }).optional() }));

describe('a guest that writes faster than the layer that it writes to can be merged', () => {
  const home = homeOfSuite(name, 'stopped');
  let lab: MergingMachine;

  before(async () => {
    lab = new MergingMachine(home.ckpt, name);
    await lab.start();
  });

  /** What the guest may write, in bytes a second; 0 when there is no limit. */
  const limit = async (): Promise<number> => {
    const record = path.join(home.machineFolder(name), 'run', 'current-process.json');
    const { socketsFolder } = processRecord.parse(JSON.parse(readFileSync(record, 'utf8')));
    const status = await QmpConnection.connect(socketsIn(socketsFolder).status, 1000);
    try {
      const disks = await status.query('query-block', blockAnswer);
      return Math.max(...disks.map(({ inserted }) => Math.max(inserted?.bps_wr ?? 0, inserted?.iops_wr ?? 0)));
    } finally {
      status.close();
    }
  };
  const untilSlowedDown = async (isOver: () => boolean): Promise<number> => {
    const found = await until('the guest to be slowed down', async () => (await limit()) || isOver(), {
      timeoutMilliseconds: 60_000,
      intervalMilliseconds: 50,
    });
    return Number(found);
  };
  /** The layer below gets much more than the one that the guest writes to afterwards: so that one goes. */
  const hiddenBelow = async (checkpoint: string): Promise<void> => {
    await lab.write(12);
    await lab.take(checkpoint);
    await home.ckpt.run('delete', ['delete', name, checkpoint]);
    await home.ckpt.run('freeSpace', ['free-space', name]);
    assert.equal((await lab.hidden()).length, 1);
    await lab.shell(
      'rm -f /root/calm; (while ! test -e /root/calm; do dd if=/dev/zero of=/root/fast bs=64k count=16 conv=notrunc; sync; done) > /dev/null 2>&1 &',
    );
  };
  const calm = (): Promise<string> => lab.shell('touch /root/calm');

  it('its disk is slowed down until they are merged, and is as fast as before then', async (context) => {
    await hiddenBelow('outrun');
    const begun = performance.now();
    const merge = lab.begin(['merge-layers', name, '--speed', '1M']);
    let isOver = false;
    void merge.ended.then(() => (isOver = true));
    const slowed = await untilSlowedDown(() => isOver);
    assert.ok(slowed > 1, 'the guest is slowed down');
    assert.equal(await merge.ended, 0);
    context.diagnostic(`limited to ${slowed} bytes a second, merged after ${Math.round(performance.now() - begun)} ms`);
    assert.equal(await limit(), 0);
    await calm();
    await lab.requireMerged();
    await lab.requireGuest();
  });

  it('the engine dies meanwhile → whoever looks next makes the disk as fast as before', async () => {
    await hiddenBelow('killed');
    const merge = lab.begin(['merge-layers', name, '--speed', '1M']);
    let isOver = false;
    void merge.ended.then(() => (isOver = true));
    await untilSlowedDown(() => isOver);
    merge.child.kill('SIGKILL');
    await merge.ended;
    assert.ok((await limit()) > 0);
    await home.ckpt.run('list', ['list']);
    assert.equal(await limit(), 0);
    await calm();
    await home.ckpt.run('mergeLayers', ['merge-layers', name]);
    await lab.requireMerged();
    await lab.requireGuest();
  });

  it('even that does not help → given up with a clear word, and everything is as before', async (context) => {
    await hiddenBelow('hopeless');
    const before = [await lab.hidden(), (await lab.show()).disks];
    const begun = performance.now();
    await assert.rejects(
      home.ckpt.run('mergeLayers', ['merge-layers', name, '--speed', '64K']),
      ({ error }: Refusal) => {
        assert.equal(error.code, 'GuestTooBusy');
        assert.match(error.message, /as before.*stop the machine/);
        return true;
      },
    );
    context.diagnostic(`given up after ${Math.round(performance.now() - begun)} ms`);
    assert.equal(await limit(), 0);
    assert.deepEqual([await lab.hidden(), (await lab.show()).disks], before);
    assert.equal((await lab.show()).busy, undefined);
    await calm();
    await lab.requireGuest();
    await home.ckpt.run('mergeLayers', ['merge-layers', name]);
    await lab.requireMerged();
    await lab.requireGuest();
    await home.ckpt.run('stop', ['stop', name, '--force']);
    await lab.requireDisk({ wasCutOff: true });
  });
});
