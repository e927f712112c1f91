import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import type { MachineInfo } from '../../engine/protocol/machines.ts';
import { Ckpt, Refusal } from '../support/ckpt.ts';
import { auditMachine } from '../support/folder-audit.ts';
import { inGuest } from '../support/guest.ts';
import { newerQemu } from '../support/newer-qemu.ts';
import { TestHome } from '../support/test-home.ts';

const name = 'lab';

describe('a newer QEMU than the installed one', () => {
  let home: TestHome;
  /** One home, two engines: each uses another QEMU. */
  let newer: Ckpt | undefined;
  let missing = '';

  before(async () => {
    home = await TestHome.withGuest();
    const found = await newerQemu(console.log);
    if ('missing' in found) {
      missing = found.missing;
      return;
    }
    newer = new Ckpt(home.folder, { VM_CHECKPOINTS_QEMU: found.place });
    await newer.run('createMachine', ['create-machine', name, '--image', 'playground']);
    await newer.run('start', ['start', name]);
  });
  after(() => home.remove());

  const newerOr = (context: TestContext): Ckpt | undefined => {
    if (newer === undefined) {
      context.skip(missing);
    }
    return newer;
  };
  const guest = (command: string): Promise<string> => inGuest(home.folder, name, (shell) => shell.run(command));
  const counter = async (): Promise<{ pid: string; value: number }> => {
    const [, pid = '', value = ''] = /pid (\d+) value (\d+)/.exec(await guest('counter-status')) ?? [];
    return { pid, value: Number(value) };
  };
  const requireOrder = async (state: MachineInfo['state']): Promise<void> => {
    const { machine } = await home.ckpt.run('show', ['show', name]);
    assert.equal(machine.state, state);
    assert.deepEqual(await auditMachine(machine.folder), { unknown: [], missing: [] });
    assert.equal((await home.processes()).length, state === 'stopped' || state === 'saved' ? 0 : 1);
  };
  const ofAnotherQemu = (error: unknown): boolean => {
    assert.ok(error instanceof Refusal);
    assert.equal(error.error.code, 'MemoryNotCompatible');
    assert.match(error.message, /another QEMU version \(expected \d+\.\d+\.\d+, found \d+\.\d+\.\d+\).*--disks-only/);
    assert.deepEqual(error.error.data['waysOut'], ['disksOnly']);
    return true;
  };

  it('take → write → apply → memory and disk are as they were; undo → as they were before that', async (context) => {
    const ckpt = newerOr(context);
    if (ckpt === undefined) {
      return;
    }
    await guest('echo before > /root/state && sync && (cd /srv/project && sha256sum -c SHA256SUMS > /dev/null)');
    const counted = await counter();
    const { checkpoint } = await ckpt.run('take', ['take', name, 'first']);
    assert.equal(checkpoint.hasMemory, true);
    await guest('rm -r /srv/project && echo after > /root/state && sync');
    const later = await counter();
    assert.equal(later.pid, counted.pid);
    assert.ok(later.value > counted.value, 'the guest runs on after the take');

    const applied = await ckpt.run('apply', ['apply', name, 'first']);
    assert.equal(applied.machine.state, 'running');
    assert.equal(await guest('cat /root/state'), 'before');
    await guest('(cd /srv/project && sha256sum -c SHA256SUMS > /dev/null)');
    const back = await counter();
    assert.equal(back.pid, counted.pid);
    assert.ok(back.value >= counted.value);

    await ckpt.run('undo', ['undo', name]);
    assert.equal(await guest('cat /root/state; ls /srv'), 'after');
    assert.ok((await counter()).value >= later.value);
    await requireOrder('running');
    context.diagnostic(
      `${String(checkpoint.memoryMethod)}: the guest stood still for ${String(checkpoint.pauseMs)} ms`,
    );
  });

  it('a paused one is taken twice and reverted, a running one is saved and started → the same process counts on', async (context) => {
    const ckpt = newerOr(context);
    if (ckpt === undefined) {
      return;
    }
    const counted = await counter();
    await ckpt.run('pause', ['pause', name]);
    await ckpt.run('take', ['take', name, 'still']);
    await ckpt.run('take', ['take', name, 'still the same']);
    const { machine } = await ckpt.run('revert', ['revert', name, '--discard-now']);
    assert.equal(machine.state, 'paused');
    await ckpt.run('resume', ['resume', name]);
    await ckpt.run('saveState', ['save', name]);
    await requireOrder('saved');
    await ckpt.run('start', ['start', name]);
    const now = await counter();
    assert.equal(now.pid, counted.pid);
    assert.ok(now.value >= counted.value);
    await requireOrder('running');
  });

  it('checkpoints are deleted for good while it runs → their layers merge, and it reads what it wrote', async (context) => {
    const ckpt = newerOr(context);
    if (ckpt === undefined) {
      return;
    }
    for (const round of ['one', 'two', 'three']) {
      await guest(
        `dd if=/dev/urandom of=/root/${round} bs=1M count=4 2> /dev/null; sha256sum /root/${round} >> /root/sums; sync`,
      );
      await ckpt.run('take', ['take', name, round, '--no-memory']);
    }
    await guest('echo end > /root/state && sync');
    // In the middle, and the one that the active layer stands on.
    for (const round of ['two', 'three']) {
      assert.equal((await ckpt.run('delete', ['delete', name, round, '--purge'])).problem, undefined);
    }
    await guest('echo 3 > /proc/sys/vm/drop_caches; sha256sum -c /root/sums > /dev/null');
    await requireOrder('running');
    await ckpt.run('stop', ['stop', name]);
    await ckpt.run('start', ['start', name]);
    await guest('sha256sum -c /root/sums > /dev/null');
    assert.equal(await guest('cat /root/state'), 'end');
  });

  it('memory that the other QEMU saved → refused both ways, the machine stays as it is; its disks are applied', async (context) => {
    const ckpt = newerOr(context);
    if (ckpt === undefined) {
      return;
    }
    await guest('echo newer > /root/state && sync');
    await ckpt.run('take', ['take', name, 'of the newer']);
    await ckpt.run('stop', ['stop', name]);
    await assert.rejects(home.ckpt.run('apply', ['apply', name, 'of the newer', '--discard-now']), ofAnotherQemu);
    await requireOrder('stopped');
    await home.ckpt.run('apply', ['apply', name, 'of the newer', '--disks-only', '--discard-now']);
    await home.ckpt.run('start', ['start', name]);
    assert.equal(await guest('cat /root/state'), 'newer');

    await guest('echo older > /root/state && sync');
    await home.ckpt.run('take', ['take', name, 'of the older']);
    await guest('echo later > /root/state && sync');
    // It is still the older one's process: an engine that uses the newer one leaves it alone.
    await assert.rejects(ckpt.run('revert', ['revert', name]), ofAnotherQemu);
    await requireOrder('running');
    assert.equal(await guest('cat /root/state'), 'later');
    await ckpt.run('revert', ['revert', name, '--disks-only', '--discard-now']);
    await ckpt.run('start', ['start', name]);
    assert.equal(await guest('cat /root/state'), 'older');
    await ckpt.run('stop', ['stop', name, '--force']);
  });
});
