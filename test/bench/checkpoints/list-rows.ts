import { setTimeout as delay } from 'node:timers/promises';
import { timed, within, type BenchRow } from '../disks/row.ts';
import { settlingMs } from '../../../engine/store/file-stamps.ts';
import type { HostInfo } from '../../../engine/protocol/machines.ts';
import { startEngine, type EngineClient } from './engine-client.ts';
import { manyMachines } from './many-machines.ts';

const machines = 1000;
const checkpoints = 50;

export const listRows: readonly BenchRow[] = [
  {
    name: `an engine starts on ${machines} machines`,
    reach: '–',
    isReached: () => true,
    async prepare(folder) {
      const home = await manyMachines(folder, machines, checkpoints);
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
      const home = await manyMachines(folder, machines, checkpoints);
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
      const engine = await startEngine(await manyMachines(folder, machines, checkpoints));
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
