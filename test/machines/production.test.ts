import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Result } from '../../engine/protocol/operations.ts';
import { Refusal } from '../support/ckpt.ts';
import { type GuestShell, inGuest } from '../support/guest.ts';
import { TestHome } from '../support/test-home.ts';

const name = 'lab';

describe('a production checkpoint', () => {
  let home: TestHome;

  before(async () => {
    home = await TestHome.withGuest();
    await home.ckpt.run('createMachine', ['create-machine', name, '--image', 'playground']);
    await home.ckpt.run('start', ['start', name]);
    await guest((shell) => shell.run('true'));
  });
  after(() => home.remove());

  const guest = <T>(use: (shell: GuestShell) => Promise<T>): Promise<T> => inGuest(home.folder, name, use);
  const take = (called: string, kind: string): Promise<Result<'take'>> =>
    home.ckpt.run('take', ['take', name, called, '--kind', kind]);

  it('the agent freezes the file systems → consistent to them, without memory, and the guest writes again', async () => {
    await guest((shell) => shell.run('echo precious > /root/marker'));
    const { checkpoint, problem } = await take('frozen', 'production-only');
    assert.equal(problem, undefined);
    assert.equal(checkpoint.consistency, 'file-system');
    assert.equal(checkpoint.hasMemory, false);
    assert.ok((checkpoint.pauseMs ?? 0) > 0);
    await guest((shell) => shell.run('rm /root/marker && sync'));
  });

  it('apply → the file that was never synced is there: freezing wrote it out; the journal has nothing to recover', async () => {
    await home.ckpt.run('apply', ['apply', name, 'frozen']);
    await home.ckpt.run('start', ['start', name]);
    await guest(async (shell) => {
      assert.equal(await shell.run('cat /root/marker'), 'precious');
      assert.equal(await shell.run('dmesg | grep -c "recovery complete" || true'), '0');
    });
  });

  it('an agent that is silent: production-only → refused and nothing changed; production → a standard one that says why', async () => {
    await guest((shell) => shell.run('killall -STOP qemu-ga'));
    const before = (await home.ckpt.run('show', ['show', name])).machine;
    await assert.rejects(
      take('refused', 'production-only'),
      (error) => error instanceof Refusal && error.error.code === 'GuestNotResponding',
    );
    const { machine } = await home.ckpt.run('show', ['show', name]);
    assert.deepEqual(machine.checkpoints, before.checkpoints);
    assert.equal(machine.state, 'running');
    const { checkpoint, problem } = await take('standard instead', 'production');
    assert.match(problem ?? '', /no production checkpoint: .*agent/);
    assert.equal(checkpoint.hasMemory, true);
    assert.equal(checkpoint.consistency, 'crash');
    await guest((shell) => shell.run('echo goes on > /root/later && sync'));
  });

  it('together with memory → refused', async () => {
    await assert.rejects(
      home.ckpt.run('take', ['take', name, '--memory', '--kind', 'production']),
      (error) => error instanceof Refusal && error.error.code === 'InvalidArgument',
    );
  });
});
