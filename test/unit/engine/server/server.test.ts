import assert from 'node:assert/strict';
import { cp, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { CancellationTokenSource, ResponseError } from 'vscode-jsonrpc/node';
import { z } from 'zod';
import { checkpointErrorRpcCode } from '../../../../engine/protocol/errors.ts';
import { operationNames, methodOf, type Result } from '../../../../engine/protocol/operations.ts';
import { settlingMs } from '../../../../engine/store/file-stamps.ts';
import { version } from '../../../../engine/version.ts';
import { Ckpt } from '../../../support/ckpt.ts';
import { makeImage } from '../disks/made-images.ts';
import { homeContent } from '../home-content.ts';
import { folderOf, folderOfSuite } from '../temporary-folder.ts';
import { Client } from './client.ts';

const limit = { timeout: 30_000 };

const refused = z.object({ code: z.int(), message: z.string(), data: z.unknown() });

/** What a refused request carries. */
async function refusal(request: Promise<unknown>): Promise<{ rpcCode: number; message: string; data: unknown }> {
  const answer = await request.then(
    () => undefined,
    (error: unknown) => error,
  );
  assert.ok(answer instanceof ResponseError, 'it was not refused');
  const { code, message, data } = refused.parse(answer);
  return { rpcCode: code, message, data };
}

describe('an engine that serves an editor', () => {
  const folder = folderOfSuite();
  const template = path.join(folder, 'template');
  let disk = '';
  before(async () => {
    disk = await makeImage(folder, 'disk.qcow2', 'qcow2');
    await new Ckpt(template).run('createMachine', ['create-machine', 'lab', '--disk', disk]);
    await new Ckpt(template).run('take', ['take', 'lab', 'one']);
  });
  /** A home with a stopped machine `lab` that has one checkpoint, `one`. */
  const homeWithMachine = async (): Promise<string> => {
    const home = path.join(folder, `home-${(await readdir(folder)).length}`);
    await cp(template, home, { recursive: true });
    return home;
  };

  it('initialize → who it is; about → where it keeps things', limit, async (context) => {
    const home = await homeWithMachine();
    const client = await Client.start(context, home);
    const about = await client.request('about', {});
    assert.deepEqual(about, {
      version,
      pid: client.process.pid,
      node: process.version,
      home,
      logFile: path.join(home, 'logs', 'engine.log'),
    });
  });

  it('list, take, show, revert, undo → the same as on the command line', limit, async (context) => {
    const home = await homeWithMachine();
    const client = await Client.start(context, home);
    const ckpt = new Ckpt(home);
    assert.deepEqual(await client.request('list', {}), await ckpt.run('list', ['list']));
    const { checkpoint } = await client.request('take', { machine: 'lab', name: 'two', createdBy: 'task', notes: 'n' });
    assert.deepEqual(
      [checkpoint.name, checkpoint.createdBy, checkpoint.notes, checkpoint.consistency, checkpoint.hasMemory],
      ['two', 'task', 'n', 'offline', false],
    );
    assert.deepEqual(await client.request('show', { machine: 'lab' }), await ckpt.run('show', ['show', 'lab']));
    const { kept } = await client.request('revert', { machine: 'lab' });
    assert.equal(kept?.createdBy, 'apply');
    const { machine } = await client.request('undo', { machine: 'lab' });
    assert.equal(machine.now.parent, checkpoint.id);
  });

  it('a refusal → one JSON-RPC code, and the code, sentence and data that ckpt prints', limit, async (context) => {
    const client = await Client.start(context, await homeWithMachine());
    assert.deepEqual(await refusal(client.request('show', { machine: 'nobody' })), {
      rpcCode: checkpointErrorRpcCode,
      message: 'There is no machine “nobody”. List the machines to see their names.',
      data: {
        code: 'MachineNotFound',
        message: 'There is no machine “nobody”. List the machines to see their names.',
        data: { machine: 'nobody' },
      },
    });
  });

  it(
    'params that are none, or have something unknown → InvalidArgument for every operation',
    limit,
    async (context) => {
      const home = await homeWithMachine();
      const client = await Client.start(context, home);
      const before = await homeContent(home);
      for (const name of operationNames) {
        for (const params of [[], 7, 'lab', true, { extra: 1 }]) {
          const { rpcCode, data } = await refusal(client.connection.sendRequest(methodOf(name), params));
          assert.equal(rpcCode, checkpointErrorRpcCode);
          assert.match(JSON.stringify(data), /^\{"code":"InvalidArgument"/, `${name} ${JSON.stringify(params)}`);
        }
      }
      assert.deepEqual(await homeContent(home), before);
      await client.request('list', {});
    },
  );

  it('a method that is not known → refused, and the engine goes on', limit, async (context) => {
    const client = await Client.start(context, await homeWithMachine());
    assert.equal((await refusal(client.connection.sendRequest('vmCheckpoints/destroy', {}))).rpcCode, -32601);
    await client.request('list', {});
  });

  it(
    'a request that is cancelled, before its turn or later → Cancelled, and nothing changes',
    limit,
    async (context) => {
      const home = await homeWithMachine();
      const client = await Client.start(context, home);
      const before = await homeContent(home);
      for (let round = 0; round < 3; round++) {
        const cancel = new CancellationTokenSource();
        const request = client.request('createMachine', { name: 'other', disk, progressId: 'p' }, cancel.token);
        if (round > 0) {
          await client.nextProgress();
        }
        cancel.cancel();
        assert.match(JSON.stringify((await refusal(request)).data), /^\{"code":"Cancelled"/);
      }
      assert.deepEqual(await homeContent(home), before);
    },
  );

  it('progress → only for who asked for it, under his name', limit, async (context) => {
    const client = await Client.start(context, await homeWithMachine());
    await client.request('createMachine', { name: 'silent', disk });
    assert.deepEqual(client.progress, []);
    await client.request('createMachine', { name: 'told', disk, progressId: 'p1' });
    assert.ok(client.progress.length > 0);
    assert.ok(client.progress.every(({ progressId, message }) => progressId === 'p1' && message !== ''));
  });

  it('another process changes a machine → changed, naming it', limit, async (context) => {
    const home = await homeWithMachine();
    const client = await Client.start(context, home);
    const change = client.nextChange(({ machines }) => machines?.includes('lab') === true);
    const { checkpoint } = await new Ckpt(home).run('take', ['take', 'lab', 'from outside']);
    await change;
    const { machine } = await client.request('show', { machine: 'lab' });
    assert.equal(machine.now.parent, checkpoint.id);
  });

  it('another process makes or removes a machine → changed, meaning everything', limit, async (context) => {
    const home = await homeWithMachine();
    const client = await Client.start(context, home);
    for (const args of [
      ['create-machine', 'other', '--disk', disk],
      ['remove-machine', 'other'],
    ]) {
      const change = client.nextChange(({ machines }) => machines === undefined);
      await new Ckpt(home).run(args[0] === 'remove-machine' ? 'removeMachine' : 'createMachine', args);
      await change;
    }
  });

  it(
    'a machine that came after the engine is watched too, also under a name that was there',
    limit,
    async (context) => {
      const home = await homeWithMachine();
      const client = await Client.start(context, home);
      const ckpt = new Ckpt(home);
      for (let round = 0; round < 2; round++) {
        const appeared = client.nextChange(({ machines }) => machines === undefined);
        await client.request('createMachine', { name: 'other', disk });
        await appeared;
        const change = client.nextChange(({ machines }) => machines?.includes('other') === true);
        await ckpt.run('take', ['take', 'other']);
        await change;
        await client.request('removeMachine', { machine: 'other' });
      }
    },
  );

  it('two engines on one home → what one changes the other tells its client', limit, async (context) => {
    const home = await homeWithMachine();
    const [first, second] = [await Client.start(context, home), await Client.start(context, home)];
    const change = second.nextChange(({ machines }) => machines?.includes('lab') === true);
    await first.request('rename', { machine: 'lab', checkpoint: 'one', name: 'renamed' });
    await change;
    const { machine } = await second.request('show', { machine: 'lab' });
    assert.deepEqual(
      machine.checkpoints.map(({ name }) => name),
      ['renamed'],
    );
  });

  it(
    'two engines change one machine at once → each change whole, or Locked with the holder',
    limit,
    async (context) => {
      const home = await homeWithMachine();
      const clients = [await Client.start(context, home), await Client.start(context, home)] as const;
      const outcomes = await Promise.allSettled(
        Array.from({ length: 10 }, (_, index) =>
          clients[index % 2 === 0 ? 0 : 1].request('take', { machine: 'lab', name: `n${index}` }),
        ),
      );
      const taken = outcomes.filter(({ status }) => status === 'fulfilled').length;
      for (const outcome of outcomes) {
        if (outcome.status === 'rejected') {
          assert.match(String(outcome.reason), /being changed by VS Code \(process \d+, take\)/);
        }
      }
      assert.ok(taken >= 1);
      const { machine } = await clients[0].request('show', { machine: 'lab' });
      assert.deepEqual([machine.checkpoints.length, machine.state], [1 + taken, 'stopped']);
    },
  );

  it('the home is removed under it → changed; it goes on, and sees what comes after', limit, async (context) => {
    const home = await homeWithMachine();
    const client = await Client.start(context, home);
    const gone = client.nextChange(({ machines }) => machines === undefined);
    // The engine makes the folder anew as soon as it sees it gone, which may be in the middle of this.
    await rm(home, { recursive: true, maxRetries: 20 });
    await gone;
    assert.deepEqual((await client.request('list', {})).hosts[0]?.machines, []);
    const change = client.nextChange(({ machines }) => machines === undefined);
    await new Ckpt(home).run('createMachine', ['create-machine', 'again', '--disk', disk]);
    await change;
    assert.equal((await client.request('list', {})).hosts[0]?.machines.length, 1);
  });

  it('a machine that is damaged under it → shown as damaged, the others go on', limit, async (context) => {
    const home = await homeWithMachine();
    const client = await Client.start(context, home);
    const odd = path.join(home, 'machines', 'odd');
    await mkdir(path.join(odd, 'run'), { recursive: true });
    await writeFile(path.join(odd, 'run', 'current-process.json'), '{');
    const change = client.nextChange(({ machines }) => machines === undefined || machines.includes('lab'));
    await client.request('take', { machine: 'lab' });
    await change;
    const states = (await client.request('list', {})).hosts[0]?.machines.map(({ name, state }) => [name, state]);
    assert.deepEqual(states, [
      ['lab', 'stopped'],
      ['odd', 'damaged'],
    ]);
  });

  it(
    'a manifest that was edited in place while no engine was there → listed as remembered, then told',
    limit,
    async (context) => {
      const home = await homeWithMachine();
      const checkpoints = path.join(home, 'machines', 'lab', 'checkpoints');
      const [name = ''] = await readdir(checkpoints);
      const names = (listed: Result<'list'>): unknown =>
        listed.hosts[0]?.machines.map(({ checkpoints: found }) => found.map((one) => one.name));
      const first = await Client.start(context, home);
      // What was written only just now is not remembered.
      await delay(settlingMs);
      assert.deepEqual(names(await first.request('list', {})), [['one']]);
      const index = path.join(home, 'cache', 'machines.index');
      while ((await stat(index).catch(() => undefined)) === undefined) {
        await delay(20);
      }
      first.process.stdin.end();
      await first.exited;
      const manifest = await readFile(path.join(checkpoints, name), 'utf8');
      await writeFile(path.join(checkpoints, name), manifest.replace('"one"', '"two"'));
      const next = await Client.start(context, home);
      const change = next.nextChange(({ machines }) => machines?.includes('lab') === true);
      assert.deepEqual(names(await next.request('list', {})), [['one']]);
      await change;
      assert.deepEqual(names(await next.request('list', {})), [['two']]);
    },
  );

  it('shutdown and exit → ends with 0', limit, async (context) => {
    const client = await Client.start(context, await homeWithMachine());
    await client.connection.sendRequest('shutdown');
    await client.connection.sendNotification('exit');
    assert.deepEqual(await client.exited, [0, null]);
  });

  it('its client is gone without a word → ends', limit, async (context) => {
    const client = await Client.start(context, await homeWithMachine());
    client.process.stdin.end();
    assert.deepEqual(await client.exited, [1, null]);
  });

  it('a home that cannot be made → refused in words; the engine goes on', limit, async (context) => {
    const file = path.join(await folderOf(context), 'file');
    await writeFile(file, '');
    const client = await Client.start(context, path.join(file, 'home'));
    await refusal(client.request('list', {}));
    assert.equal((await client.request('about', {})).home, path.join(file, 'home'));
  });
});
