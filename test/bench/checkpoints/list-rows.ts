import { randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { create } from '../../../engine/disks/operations/create.ts';
import { timed, within, type BenchRow } from '../disks/row.ts';
import { settlingMs } from '../../../engine/store/file-stamps.ts';
import type { HostInfo } from '../../../engine/protocol/machines.ts';
import { startEngine, type EngineClient } from './engine-client.ts';

const machines = 1000;
const checkpoints = 50;

/** A home of many machines; what a list reads of them is there. */
async function makeHome(folder: string): Promise<string> {
  const home = path.join(folder, 'home');
  const engine = await startEngine(home);
  const disk = path.join(folder, 'disk.qcow2');
  await create(disk, { format: 'qcow2', virtualSizeBytes: 1024 ** 3 });
  await engine.request('addMachine', { name: 'lab-0', disk });
  for (let count = 0; count < checkpoints; count++) {
    await engine.request('take', { machine: 'lab-0' });
  }
  await engine.stop();
  const first = path.join(home, 'machines', 'lab-0');
  const definition = await readFile(path.join(first, 'machine.json'), 'utf8');
  const now = await readFile(path.join(first, 'now.json'));
  const names = await readdir(path.join(first, 'checkpoints'));
  const manifests = await Promise.all(
    names.map(async (name) => ({ name, content: await readFile(path.join(first, 'checkpoints', name)) })),
  );
  for (let count = 1; count < machines; count++) {
    const machine = path.join(home, 'machines', `lab-${count}`);
    await Promise.all(
      ['checkpoints', 'trash', 'run'].map((inner) => mkdir(path.join(machine, inner), { recursive: true })),
    );
    await writeFile(
      path.join(machine, 'machine.json'),
      definition.replace(/"id": "[0-9a-f-]{36}"/, `"id": "${randomUUID()}"`),
    );
    await writeFile(path.join(machine, 'now.json'), now);
    await Promise.all(
      manifests.map(({ name, content }) => writeFile(path.join(machine, 'checkpoints', name), content)),
    );
  }
  // What was written only just now is read each time.
  await delay(2 * settlingMs);
  return home;
}

export const listRows: readonly BenchRow[] = [
  {
    name: `an engine starts on ${machines} machines`,
    reach: '–',
    isReached: () => true,
    async prepare(folder) {
      const home = await makeHome(folder);
      return {
        async ours() {
          let engine: EngineClient | undefined;
          const elapsed = await timed(async () => {
            engine = await startEngine(home);
            await engine.request('about', {});
          });
          await engine?.stop();
          return elapsed;
        },
      };
    },
  },
  {
    name: `list ${machines} machines × ${checkpoints}, first answer`,
    ...within(300),
    async prepare(folder) {
      const home = await makeHome(folder);
      let engine: EngineClient | undefined;
      return {
        async before() {
          engine = await startEngine(home);
        },
        async ours() {
          const listing = engine ?? (await startEngine(home));
          engine = undefined;
          let hosts: HostInfo[] = [];
          const elapsed = await timed(async () => {
            ({ hosts } = await listing.request('list', {}));
          });
          const found = hosts.flatMap((host) => host.machines);
          if (found.length !== machines || found.some((machine) => machine.checkpoints.length !== checkpoints)) {
            throw new Error('The list is not whole.');
          }
          await listing.stop();
          return elapsed;
        },
        async after() {
          await engine?.stop();
        },
      };
    },
  },
  {
    name: `one of ${machines} changed, told: its node anew`,
    ...within(10),
    async prepare(folder) {
      const engine = await startEngine(await makeHome(folder));
      await engine.request('list', {});
      // Until all are watched.
      await delay(settlingMs);
      let count = 0;
      return {
        async before() {
          count += 1;
          const { machine } = await engine.request('show', { machine: 'lab-7' });
          const [checkpoint] = machine.checkpoints;
          const told = engine.nextChange();
          await engine.request('rename', {
            machine: 'lab-7',
            checkpoint: checkpoint?.id ?? '',
            name: `renamed ${count}`,
          });
          const { machines: changed } = await told;
          if (changed?.join() !== 'lab-7') {
            throw new Error(`The client was told of ${changed?.join() ?? 'everything'}.`);
          }
        },
        ours: () => timed(() => engine.request('show', { machine: 'lab-7' })),
        after: () => engine.stop(),
      };
    },
  },
];
