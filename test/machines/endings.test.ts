import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { readdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createMessageConnection, StreamMessageReader, StreamMessageWriter } from 'vscode-jsonrpc/node';
import { z } from 'zod';
import { processIdentity } from '../../engine/store/process-identity.ts';
import { MachineFolder } from '../../engine/store/machine-folder.ts';
import { Refusal } from '../support/ckpt.ts';
import { auditMachine } from '../support/folder-audit.ts';
import { inGuest } from '../support/guest.ts';
import { homeOfSuite } from '../support/home-of-suite.ts';
import { engineFile } from '../support/project.ts';

const name = 'lab';

describe('endings', () => {
  const home = homeOfSuite(name, 'stopped');

  const inFolder = (...parts: string[]): string => path.join(home.machineFolder(name), ...parts);
  const exists = (file: string): Promise<boolean> =>
    stat(file).then(
      () => true,
      () => false,
    );
  const engine = (args: string[]): ChildProcess =>
    spawn(process.execPath, [engineFile, ...args], {
      env: { ...process.env, VM_CHECKPOINTS_HOME: home.folder },
      stdio: ['pipe', 'pipe', 'ignore'],
    });
  const untilJournal = async (child: ChildProcess): Promise<void> => {
    while (!(await exists(inFolder('journal.json')))) {
      assert.equal(child.exitCode, null, 'the operation has not ended yet');
      await delay(2);
    }
  };
  const untilExit = (child: ChildProcess): Promise<number | null> =>
    new Promise((resolve) => (child.exitCode === null ? child.once('exit', resolve) : resolve(child.exitCode)));

  it('a QEMU whose starter died before writing its process down → the next start ends it, and runs the machine', async () => {
    await home.ckpt.run('start', ['start', name]);
    const [orphan] = await home.processes();
    assert.ok(orphan !== undefined);
    const record = inFolder('run', 'current-process.json');
    const {
      pid: _pid,
      identity: _identity,
      ...rest
    } = z.record(z.string(), z.unknown()).parse(JSON.parse(await readFile(record, 'utf8')));
    await writeFile(record, JSON.stringify(rest));
    assert.equal((await home.ckpt.run('show', ['show', name])).machine.state, 'stopped');
    const { machine } = await home.ckpt.run('start', ['start', name]);
    assert.equal(machine.state, 'running');
    assert.notEqual(machine.pid, orphan);
    assert.equal(await processIdentity(orphan), undefined, 'the orphan has ended');
  });

  it('Ctrl+C in the middle of a take → Cancelled; the guest runs on, and not even an empty layer stays', async () => {
    await inGuest(home.folder, name, (shell) => shell.run('true'));
    const layers = await readdir(inFolder('layers'));
    const child = engine(['take', name, 'cancelled', '--json']);
    const exit = untilExit(child);
    await untilJournal(child);
    child.kill('SIGINT');
    child.kill('SIGINT');
    assert.equal(await exit, 130);
    const { machine } = await home.ckpt.run('show', ['show', name]);
    assert.equal(machine.state, 'running');
    assert.deepEqual(machine.checkpoints, []);
    assert.deepEqual(await readdir(inFolder('layers')), layers);
    assert.deepEqual(await auditMachine(machine.folder), { unknown: [], missing: [] });
    await inGuest(home.folder, name, (shell) => shell.run('echo written > /root/file && sync'));
  });

  // A background snapshot that was cancelled would stop the guest at its next write to a page not yet saved.
  for (const signal of ['SIGINT', 'SIGKILL'] as const) {
    it(`${signal} once QEMU saves the memory → the guest runs on, and goes on writing`, async () => {
      const saved = async (): Promise<number> => {
        const files = await readdir(inFolder('memory')).catch(() => []);
        const sizes = await Promise.all(files.map((file) => stat(inFolder('memory', file)).catch(() => undefined)));
        return sizes.reduce((sum, found) => sum + (found?.size ?? 0), 0);
      };
      const child = engine(['take', name, signal, '--json']);
      const exit = untilExit(child);
      while ((await saved()) === 0) {
        assert.equal(child.exitCode, null, 'the operation has not ended yet');
        await delay(1);
      }
      child.kill(signal);
      await exit;
      const { machine } = await home.ckpt.run('show', ['show', name]);
      assert.equal(machine.state, 'running');
      await inGuest(home.folder, name, (shell) => shell.run('head -c 100m /dev/urandom | sha256sum', 180_000));
      await home.ckpt.run('take', ['take', name, `after ${signal}`]);
      await inGuest(home.folder, name, (shell) => shell.run('echo written > /root/file && sync'));
      for (const checkpoint of (await home.ckpt.run('show', ['show', name])).machine.checkpoints.toReversed()) {
        await home.ckpt.run('delete', ['delete', name, checkpoint.id]);
      }
    });
  }

  for (const ending of ['its client asks it to shut down', 'its client is gone', 'SIGTERM']) {
    it(`an engine that ends in the middle of a take because ${ending} → the take comes to its end first`, async () => {
      const child = engine(['serve', '--stdio']);
      assert.ok(child.stdin !== null && child.stdout !== null);
      const connection = createMessageConnection(
        new StreamMessageReader(child.stdout),
        new StreamMessageWriter(child.stdin),
      );
      connection.listen();
      await connection.sendRequest('initialize', { processId: process.pid, rootUri: null, capabilities: {} });
      await connection.sendNotification('initialized', {});
      const exit = untilExit(child);
      const take = connection.sendRequest('vmCheckpoints/take', { machine: name, name: ending }).catch(() => undefined);
      await untilJournal(child);
      if (ending === 'SIGTERM') {
        child.kill('SIGTERM');
      } else if (ending === 'its client is gone') {
        // As when the process of the window is killed: nobody reads any more either.
        child.stdin.destroy();
        child.stdout.destroy();
      } else {
        await connection.sendRequest('shutdown');
        await connection.sendNotification('exit');
      }
      await exit;
      await Promise.race([take, delay(100)]);
      connection.dispose();
      assert.equal(await exists(inFolder('journal.json')), false, 'nothing is left to be undone');
      const { machine } = await home.ckpt.run('show', ['show', name]);
      assert.equal(machine.state, 'running');
      const taken = machine.checkpoints.find((checkpoint) => checkpoint.name === ending);
      assert.equal(taken?.hasMemory, true, 'it was taken whole');
      await home.ckpt.run('revert', ['revert', name, '--discard-now']);
      await home.ckpt.run('delete', ['delete', name, ending]);
    });
  }

  it('a hypervisor that hangs, with an operation cut off → forced off all the same, and starts again', async () => {
    const child = engine(['take', name, 'cut off']);
    const exit = untilExit(child);
    await untilJournal(child);
    child.kill('SIGKILL');
    await exit;
    const [hypervisor] = await home.processes();
    assert.ok(hypervisor !== undefined);
    process.kill(hypervisor, 'SIGSTOP');
    const stopped = await home.ckpt.run('stop', ['stop', name, '--force']);
    assert.equal(stopped.machine.state, 'stopped');
    await home.ckpt.run('start', ['start', name]);
    assert.equal(await inGuest(home.folder, name, (shell) => shell.run('cat /root/file')), 'written');
    await home.ckpt.run('stop', ['stop', name]);
  });

  it('undo goes to what the last apply left, and to nothing else', async () => {
    const refusesUndo = (): Promise<void> =>
      assert.rejects(
        home.ckpt.run('undo', ['undo', name]),
        (error: unknown) => error instanceof Refusal && error.error.code === 'NothingToUndo',
      );
    await refusesUndo();
    await home.ckpt.run('take', ['take', name, 'A']);
    await home.ckpt.run('revert', ['revert', name]);
    await home.ckpt.run('take', ['take', name, 'B']);
    await home.ckpt.run('revert', ['revert', name, '--discard-now']);
    await refusesUndo();
    const { kept } = await home.ckpt.run('revert', ['revert', name]);
    assert.ok(kept !== undefined);
    await home.ckpt.run('rename', ['rename', name, kept.id, 'wanted']);
    const undone = await home.ckpt.run('undo', ['undo', name]);
    assert.equal(undone.applied.id, kept.id);
    assert.ok(
      undone.machine.checkpoints.some((checkpoint) => checkpoint.id === kept.id),
      'what was named stays a checkpoint',
    );
  });

  it('a layer of another branch is lost → what does not need it works', async () => {
    const { machine } = await home.ckpt.run('show', ['show', name]);
    const lost = machine.checkpoints.find((checkpoint) => checkpoint.name === 'Before undo');
    assert.ok(lost !== undefined);
    const { checkpoints } = await new MachineFolder(machine.folder).read();
    const layer = checkpoints.find((checkpoint) => checkpoint.id === lost.id)?.layers['disk0'] ?? '';
    await rename(inFolder(layer), path.join(home.folder, 'lost'));
    await home.ckpt.run('revert', ['revert', name]);
    await home.ckpt.run('apply', ['apply', name, 'A']);
    await assert.rejects(home.ckpt.run('apply', ['apply', name, lost.id]), (error: unknown) => {
      assert.ok(error instanceof Refusal);
      assert.equal(error.error.code, 'DiskNotFound');
      return true;
    });
    assert.equal(await exists(inFolder('journal.json')), false);
    await home.ckpt.run('start', ['start', name]);
    await home.ckpt.run('stop', ['stop', name, '--force']);
    await home.ckpt.run('delete', ['delete', name, lost.id]);
  });
});
