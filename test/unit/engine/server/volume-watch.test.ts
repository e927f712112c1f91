import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MachineState } from '../../../../engine/protocol/machines.ts';
import type { SpaceLowParams, SpaceWarning } from '../../../../engine/protocol/space.ts';
import { VolumeWatch } from '../../../../engine/server/volume-watch.ts';

/** A watch whose looks find what is set, with all that it told. */
function watch(): { look: (states: Record<string, MachineState>, found: Level[]) => Promise<SpaceLowParams[]> } {
  let expected: SpaceWarning[] = [];
  const told: SpaceLowParams[] = [];
  const volumes = new VolumeWatch(
    { look: async () => expected },
    { pause: () => Promise.reject(new Error('nobody asked for it')) },
    (warning) => told.push(warning),
    { intervalMs: 0, pausesMachines: false },
  );
  return {
    look: async (states, levels) => {
      told.length = 0;
      expected = levels.map((level) => ({
        volume: '/vms',
        level,
        freeBytes: 1,
        machines: ['lab'],
        message: 'Full soon.',
        sentences: [],
      }));
      await volumes.look(new Map(Object.entries(states)));
      return [...told];
    },
  };
}

type Level = SpaceWarning['level'];

test('a volume that fills → told once a level; again after it had been freed', async () => {
  const { look } = watch();
  const levels = async (...found: Level[]): Promise<Level[]> =>
    (await look({ lab: 'running' }, found)).map(({ level }) => level);
  assert.deepEqual(await levels(), []);
  assert.deepEqual(await levels('low'), ['low']);
  assert.deepEqual(await levels('low'), []);
  assert.deepEqual(await levels('critical'), ['critical']);
  assert.deepEqual(await levels('critical'), []);
  assert.deepEqual(await levels('low'), [], 'it is getting better');
  assert.deepEqual(await levels(), []);
  assert.deepEqual(await levels('low'), ['low']);
});

test('critical, and pausing is asked for → the machines of that volume are paused, and that is told', async () => {
  const paused: string[] = [];
  const told: SpaceLowParams[] = [];
  const volumes = new VolumeWatch(
    {
      look: async () => [
        {
          volume: '/vms',
          level: 'critical',
          freeBytes: 1,
          machines: ['lab', 'busy'],
          message: 'Full soon.',
          sentences: [],
        },
      ],
    },
    {
      pause: async ({ machine }) => {
        if (machine === 'busy') {
          throw new Error('It is being changed.');
        }
        paused.push(machine);
      },
    },
    (warning) => told.push(warning),
    { intervalMs: 0, pausesMachines: true },
  );
  await volumes.look(new Map([['lab', 'running']]));
  assert.deepEqual(paused, ['lab']);
  assert.deepEqual(
    told.map((one) => one.paused),
    [['lab']],
  );
});
