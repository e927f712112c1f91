import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { before, describe, it, type TestContext } from 'node:test';
import { setImmediate, setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { processRecord } from '../../engine/store/records.ts';
import { readRecord } from '../../engine/store/atomic-file.ts';
import { QmpConnection } from '../../engine/hosts/qemu/qmp.ts';
import { socketsIn } from '../../engine/hosts/qemu/sockets-folder.ts';
import type { ResumeStep } from '../../engine/protocol/resume-steps.ts';
import { GuestShell, inGuest } from '../support/guest.ts';
import { homeOfSuite } from '../support/home-of-suite.ts';
import { engineFile } from '../support/project.ts';

const name = 'lab';
const dayMs = 86_400_000;
/** An engine ends an apply in a few milliseconds: at times it is quicker than whoever kills it. */
const mostRounds = 12;
const generation = z.object({ guid: z.string() });

describe('a guest that comes back with its memory', () => {
  const home = homeOfSuite(name, 'started');

  before(async () => {
    await guest((shell) => shell.run('while ! pidof qemu-ga > /dev/null; do usleep 100000; done; sleep 1'));
  });

  const guest = <T>(use: (shell: GuestShell) => Promise<T>): Promise<T> => inGuest(home.folder, name, use);

  const sockets = async (): Promise<ReturnType<typeof socketsIn>> => {
    const record = await readRecord(path.join(home.machineFolder(name), 'run', 'current-process.json'), processRecord);
    assert.ok(record);
    return socketsIn(record.socketsFolder);
  };

  /** The id that QEMU gave the guest, once it is sure that it lies in the guest's memory, in what its firmware set aside. */
  const readGeneration = async (): Promise<string> => {
    const status = await QmpConnection.connect((await sockets()).status);
    try {
      const { guid } = await status.query('query-vm-generation-id', generation);
      const filename = path.join(home.folder, 'reserved-pages');
      await status.execute('pmemsave', { ...reservedPages, filename });
      assert.ok((await readFile(filename)).includes(inMemory(guid)), `${guid} lies in the memory of the guest`);
      return guid;
    } finally {
      status.close();
    }
  };

  /** How far the guest's clock is ahead of ours, in ms, by its own shell. */
  const clockError = async (): Promise<number> => {
    const asked = Date.now();
    const seconds = Number(await guest((shell) => shell.run('date +%s')));
    const answered = Date.now();
    // Shown in whole seconds; read somewhere between.
    return seconds * 1000 + 500 - (asked + answered) / 2;
  };

  it('apply a day later → its clock is right within 2 s, its generation id is another', async () => {
    const first = await readGeneration();
    // What a guest shows that was saved a day ago: its own clock stood still, the hardware’s went on.
    await guest((shell) => shell.run(`date -s @$(( $(date +%s) - ${dayMs / 1000} )) > /dev/null`));
    assert.ok((await clockError()) < -dayMs / 2);
    await home.ckpt.run('take', ['take', name, 'yesterday']);

    const { steps } = await home.ckpt.run('apply', ['apply', name, 'yesterday']);
    const clock = step(steps, 'clock');
    assert.equal(clock.outcome, 'done', clock.detail);
    assert.match(clock.detail, /it was 86\d\d\d s behind/);
    const error = await clockError();
    assert.ok(Math.abs(error) < 2000, `the clock is ${error} ms off`);
    assert.equal(step(steps, 'generation').outcome, 'done');
    assert.notEqual(await readGeneration(), first);
    assert.ok(!steps?.some((one) => one.step === 'network'), 'nobody asked for it');
  });

  /** Applies a checkpoint of a day ago until an engine is killed at such a moment. @returns how far the clock is off then */
  const clockErrorAfterDeath = async (
    context: TestContext,
    checkpoint: string,
    { isReached, isLeft }: { isReached: (before: number) => boolean; isLeft: () => boolean },
  ): Promise<number> => {
    await guest((shell) => shell.run(`date -s @$(( $(date +%s) - ${dayMs / 1000} )) > /dev/null`));
    await home.ckpt.run('take', ['take', name, checkpoint]);
    let rounds = 0;
    do {
      rounds += 1;
      assert.ok(rounds <= mostRounds, 'an engine is killed in time');
      const before = statSync(inFolder('now.json')).ino;
      const child = spawn(process.execPath, [engineFile, 'apply', name, checkpoint, '--discard-now'], {
        env: { ...process.env, VM_CHECKPOINTS_HOME: home.folder },
        stdio: 'ignore',
      });
      const exited = once(child, 'exit');
      while (!isReached(before) && child.exitCode === null) {
        await setImmediate();
      }
      child.kill('SIGKILL');
      await exited;
    } while (!isLeft());
    context.diagnostic(`killed in round ${rounds}`);
    const { machine } = await home.ckpt.run('show', ['show', name]);
    assert.equal(machine.state, 'running');
    assert.ok(!isLeft(), 'nothing is left to do');
    return clockError();
  };
  const inFolder = (file: string): string => path.join(home.machineFolder(name), file);

  it('the engine is killed when the checkpoint has just been applied → whoever ends that sets the clock', async (context) => {
    const error = await clockErrorAfterDeath(context, 'long ago', {
      isReached: (before) => statSync(inFolder('now.json')).ino !== before,
      isLeft: () => existsSync(inFolder('journal.json')),
    });
    assert.ok(Math.abs(error) < 2000, `the clock is ${error} ms off`);
  });

  it('it is killed once all has happened but the setting of the clock → whoever looks sets it', async (context) => {
    const error = await clockErrorAfterDeath(context, 'also long ago', {
      isReached: () => existsSync(inFolder('welcome-due')) && !existsSync(inFolder('journal.json')),
      isLeft: () => existsSync(inFolder('welcome-due')),
    });
    assert.ok(Math.abs(error) < 2000, `the clock is ${error} ms off`);
  });

  it('start again → the generation id stays: the guest has not gone back', async () => {
    const before = await readGeneration();
    await home.ckpt.run('stop', ['stop', name]);
    await home.ckpt.run('start', ['start', name]);
    // By then its firmware has put it there.
    await guest((shell) => shell.run('while ! pidof qemu-ga > /dev/null; do usleep 100000; done; sleep 1'));
    assert.equal(await readGeneration(), before);
  });

  it('--renew-network → a guest that was saved without its address has one', async () => {
    await guest((shell) => shell.run('while ! pidof udhcpc > /dev/null; do usleep 100000; done'));
    await guest((shell) => shell.run('ip addr flush dev eth0'));
    await home.ckpt.run('take', ['take', name, 'no address']);
    const { steps } = await home.ckpt.run('apply', ['apply', name, 'no address', '--renew-network']);
    const network = step(steps, 'network');
    assert.equal(network.outcome, 'done', network.detail);
    await guest((shell) =>
      shell.run(
        'for i in $(seq 50); do ip -4 addr show eth0 | grep -q "inet 10.0.2" && exit; usleep 100000; done; false',
      ),
    );
  });

  it('a console was open, what was typed not read yet → it joins again, and that is told', async () => {
    const child = spawn(process.execPath, [engineFile, 'console', name], {
      env: { ...process.env, VM_CHECKPOINTS_HOME: home.folder },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    try {
      const shown: string[] = [];
      child.stdout.on('data', (chunk: Buffer) => shown.push(chunk.toString()));
      await once(child.stdout, 'data');
      const { machine } = await home.ckpt.run('show', ['show', name]);
      assert.equal(machine.state, 'running');
      await untilTrue(async () => /"filename":"unix:/.test(JSON.stringify(await serialState(await sockets()))));
      await home.ckpt.run('pause', ['pause', name]);
      child.stdin.write('#'.repeat(256 * 1024));
      await untilTrue(() => Promise.resolve(child.stdin.writableLength === 0));
      const { steps } = await home.ckpt.run('revert', ['revert', name]);
      const joined = step(steps, 'console');
      assert.equal(joined.outcome, 'done', joined.detail);
      await untilTrue(() => Promise.resolve(shown.join('').includes('Joined to the machine again')));
      child.stdin.end('\x1d');
      await once(child, 'exit');
    } finally {
      child.kill('SIGKILL');
    }
  });

  it('no agent in the guest → said, with the way out; the apply has happened', async () => {
    await guest((shell) =>
      shell.run('mv /usr/sbin/qemu-ga /root/; killall qemu-ga; while pidof qemu-ga; do usleep 100000; done'),
    );
    await home.ckpt.run('take', ['take', name, 'no agent']);
    const { machine, steps } = await home.ckpt.run('revert', ['revert', name]);
    assert.equal(machine.state, 'running');
    const clock = step(steps, 'clock');
    assert.equal(clock.outcome, 'failed');
    assert.match(clock.detail, /No agent answers in the guest.*hwclock/);
  });
});

function step(steps: readonly ResumeStep[] | undefined, wanted: ResumeStep['step']): ResumeStep {
  const found = steps?.find((one) => one.step === wanted);
  assert.ok(found, `the step ${wanted} is reported`);
  return found;
}

async function serialState({ status }: ReturnType<typeof socketsIn>): Promise<unknown> {
  const connection = await QmpConnection.connect(status);
  try {
    const chardevs = z
      .array(z.object({ label: z.string(), filename: z.string() }))
      .parse(await connection.execute('query-chardev'));
    return chardevs.find(({ label }) => label === 'serial0');
  } finally {
    connection.close();
  }
}

async function untilTrue(isTrue: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + 10_000;
  while (!(await isTrue())) {
    assert.ok(performance.now() < end, 'it came to be within 10 s');
    await delay(50);
  }
}

/** The end of 256 MiB, which the firmware keeps for its tables. */
const reservedPages = { val: 0x0ffdc000, size: 0x24000 };

/** The first three parts of a UUID lie in memory in the order of a little-endian machine (QEMU docs/specs/vmgenid). */
function inMemory(guid: string): Buffer {
  const bytes = Buffer.from(guid.replaceAll('-', ''), 'hex');
  bytes.subarray(0, 4).swap32();
  bytes.subarray(4, 8).swap16();
  return bytes;
}
