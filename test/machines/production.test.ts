import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { GroupInfo } from '../../engine/protocol/groups.ts';
import type { Result } from '../../engine/protocol/operations.ts';
import { Refusal, runCkpt } from '../support/ckpt.ts';
import { type GuestShell, inGuest } from '../support/guest.ts';
import { homeOfSuite } from '../support/home-of-suite.ts';
import { engineFile } from '../support/project.ts';
import { seededRandom } from '../support/seeded-random.ts';

const name = 'lab';
const stopped = 'stopped';
const killRounds = Number(process.env['CKPT_ROUNDS'] ?? 3);

describe('a production checkpoint', () => {
  const home = homeOfSuite(name, 'up');

  const guest = <T>(use: (shell: GuestShell) => Promise<T>): Promise<T> => inGuest(home.folder, name, use);
  const take = (called: string, kind: string): Promise<Result<'take'>> =>
    home.ckpt.run('take', ['take', name, called, '--kind', kind]);
  const takeGroup = (called: string, kind: string): Promise<Result<'groupTake'>> =>
    home.ckpt.run('groupTake', ['group', 'take', called, '--machine', name, '--machine', stopped, '--kind', kind]);
  const achieved = ({ members }: GroupInfo): Record<string, string> =>
    Object.fromEntries(
      members.map(({ machine, checkpoint: { hasMemory, consistency } }) => [
        machine,
        hasMemory ? 'memory' : consistency,
      ]),
    );

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

  it('the agent has its hook → what programs it asked is told by the consistency', async () => {
    const hook = [
      '#!/bin/sh',
      '# Runs what lies in fsfreeze-hook.d, as the hook that comes with the agent does.',
      'LOGFILE=/var/log/qga-fsfreeze-hook.log',
      'for file in /etc/qemu/fsfreeze-hook.d/*; do',
      '  echo "$(date): execute $file $@" >>$LOGFILE',
      '  "$file" "$@" >>$LOGFILE 2>&1; STATUS=$?',
      '  echo "$(date): $file finished with status=$STATUS" >>$LOGFILE',
      'done',
    ];
    const lines = (text: string[], file: string): string =>
      `${text.map((line, at) => `echo '${line}' ${at === 0 ? '>' : '>>'}${file}`).join('; ')}; chmod +x ${file}`;
    const program = '/etc/qemu/fsfreeze-hook.d/db';
    await guest(async (shell) => {
      await shell.run('mkdir -p /etc/qemu/fsfreeze-hook.d /var/log');
      await shell.run(lines(hook, '/etc/qemu/fsfreeze-hook'));
      await shell.run(lines(['#!/bin/sh', 'echo $1 >>/run/asked'], program));
      // The agent that is started whenever there is none knows of no hook.
      await shell.run('for pid in $(pidof guest-agent); do kill $pid; done; killall guest-agent qemu-ga; true');
      await shell.run(
        'qemu-ga -d --method virtio-serial --path /dev/virtio-ports/org.qemu.guest_agent.0 --statedir /run -F/etc/qemu/fsfreeze-hook',
      );
    });
    const { checkpoint, problem } = await take('asked', 'production-only');
    assert.equal(problem, undefined);
    assert.equal(checkpoint.consistency, 'application');
    assert.equal(await guest((shell) => shell.run('cat /run/asked')), 'freeze\nthaw');
    await guest((shell) => shell.run(lines(['#!/bin/sh', 'exit 3'], program)));
    const failed = await take('not ready', 'production-only');
    assert.equal(failed.checkpoint.consistency, 'file-system');
    assert.match(failed.problem ?? '', /fsfreeze-hook\.d\/db failed/);
    await guest((shell) => shell.run(`rm ${program}; sync`));
  });

  it('a group goes by the kind: what runs is frozen, what is stopped is taken as it is, and each tells what it is', async () => {
    await home.ckpt.run('createMachine', ['create-machine', stopped, '--image', 'playground']);
    const { group, problems } = await takeGroup('group frozen', 'production-only');
    assert.deepEqual(achieved(group), { [name]: 'file-system', [stopped]: 'offline' });
    assert.deepEqual(problems, {});
    const { stdout } = await runCkpt(home.folder, ['group', 'list']);
    assert.match(stdout, /“group frozen” .* of “lab” \(file-system\), “stopped” \(offline\)/);
  });

  it('an engine that is killed (kill -9) while they are frozen → the next one thaws them', async (context) => {
    const random = seededRandom();
    let interrupted = 0;
    for (let round = 0; round < killRounds; round++) {
      const child = spawn(process.execPath, [engineFile, 'take', name, `round ${round}`, '--kind', 'production-only'], {
        env: { ...process.env, VM_CHECKPOINTS_HOME: home.folder },
        stdio: 'ignore',
      });
      const exited = once(child, 'exit');
      const journal = path.join(home.machineFolder(name), 'journal.json');
      while (child.exitCode === null && !existsSync(journal)) {
        await delay(2);
      }
      await delay(Math.floor(random() * 400));
      child.kill('SIGKILL');
      await exited;
      interrupted += existsSync(journal) ? 1 : 0;
      const { machine } = await home.ckpt.run('show', ['show', name]);
      assert.equal(machine.state, 'running');
      await guest((shell) => shell.run(`echo ${round} > /root/round && sync`, 20_000));
    }
    context.diagnostic(`${interrupted} of ${killRounds} were killed in the middle`);
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
    const groups = await home.ckpt.run('groupList', ['group', 'list']);
    await assert.rejects(
      takeGroup('group refused', 'production-only'),
      (error) =>
        error instanceof Refusal && error.error.code === 'GuestNotResponding' && /“lab”/.test(error.error.message),
    );
    assert.deepEqual(await home.ckpt.run('groupList', ['group', 'list']), groups);
    const { group, problems } = await takeGroup('group standard instead', 'production');
    assert.deepEqual(achieved(group), { [name]: 'memory', [stopped]: 'offline' });
    assert.deepEqual(Object.keys(problems), [name]);
    assert.match(problems[name]?.problem ?? '', /no production checkpoint: .*agent/);
  });

  it('together with memory → refused', async () => {
    const isRefused = (error: unknown): boolean => error instanceof Refusal && error.error.code === 'InvalidArgument';
    await assert.rejects(home.ckpt.run('take', ['take', name, '--memory', '--kind', 'production']), isRefused);
    const machines = ['--machine', name, '--machine', stopped];
    await assert.rejects(
      home.ckpt.run('groupTake', ['group', 'take', 'both', ...machines, '--memory', '--kind', 'production']),
      isRefused,
    );
  });
});
