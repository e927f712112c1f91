import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { runCkpt } from '../support/ckpt.ts';
import { faultKinds, type FaultKind } from '../support/faults/fault.ts';
import { faultPreload } from '../support/faults/fault-preload.ts';
import { auditMachine } from '../support/folder-audit.ts';
import { inGuest } from '../support/guest.ts';
import { seededRandom } from '../support/seeded-random.ts';
import { TestHome } from '../support/test-home.ts';

const name = 'lab';
/** Of each verb. A guest has to be saved and started for each: so not every call has its turn. */
const rounds = Number(process.env['CKPT_ROUNDS'] ?? 4);
const deaths: readonly FaultKind[] = ['before', 'half', 'after'];

describe('an engine that dies at one of the calls of a save or a start, or for which one fails', () => {
  const random = seededRandom();
  let home: TestHome;
  let env: NodeJS.ProcessEnv;
  let counted: string;
  let counter = { pid: '', value: 0 };

  before(async () => {
    home = await TestHome.withGuest();
    ({ env, counted } = await faultPreload(home.folder));
    await home.ckpt.run('createMachine', ['create-machine', name, '--image', 'playground']);
    await home.ckpt.run('start', ['start', name]);
    counter = await count();
  });
  after(() => home.remove());

  const count = async (): Promise<typeof counter> => {
    const said = await inGuest(home.folder, name, (shell) => shell.run('counter-status'));
    const [, pid = '', value = ''] = /pid (\d+) value (\d+)/.exec(said) ?? [];
    return { pid, value: Number(value) };
  };
  /** The very process of the guest counts on, however often it was saved and resumed. */
  const requireSameGuest = async (at: string): Promise<void> => {
    const found = await count();
    assert.equal(found.pid, counter.pid, at);
    assert.ok(found.value >= counter.value, `${at}: ${found.value} after ${counter.value}`);
    counter = found;
  };
  const verbs = {
    save: { from: 'running', to: 'saved' },
    start: { from: 'saved', to: 'running' },
  } as const;
  const bringTo = async (state: 'running' | 'saved'): Promise<void> => {
    const { machine } = await home.ckpt.run('show', ['show', name]);
    if (machine.state !== state) {
      const [operation, verb] = state === 'saved' ? (['saveState', 'save'] as const) : (['start', 'start'] as const);
      await home.ckpt.run(operation, [verb, name]);
    }
  };

  for (const verb of ['save', 'start'] as const) {
    it(`${verb}, ${rounds} times → it is as it was or as it was to be, and its processes go on`, async (context) => {
      const { from, to } = verbs[verb];
      await bringTo(from);
      assert.equal((await runCkpt(home.folder, [verb, name, '--json'], { env })).code, 0);
      const calls = Number(await readFile(counted, 'utf8'));
      const told: string[] = [];
      for (let round = 0; round < rounds; round += 1) {
        await bringTo(from);
        const kind = faultKinds[Math.floor(random() * faultKinds.length)] ?? 'before';
        const fault = `${1 + Math.floor(((round + random()) * calls) / rounds)}:${kind}`;
        const run = await runCkpt(home.folder, [verb, name, '--json'], { env: { ...env, CKPT_FAULT: fault } });
        const { machine } = await home.ckpt.run('show', ['show', name]);
        const outcome = `${fault} → ${run.code === null ? 'dead' : `exit code ${run.code}`}, ${machine.state}`;
        told.push(outcome);
        assert.ok(run.code !== null || deaths.includes(kind), outcome);
        assert.ok(machine.state === from || machine.state === to, outcome);
        assert.ok(run.code === null || machine.state === (run.code === 0 ? to : from), `${outcome}: ${run.stdout}`);
        assert.deepEqual(await auditMachine(machine.folder), { unknown: [], missing: [] }, outcome);
        assert.equal((await home.processes()).length, machine.state === 'running' ? 1 : 0, outcome);
        await bringTo('running');
        await requireSameGuest(outcome);
      }
      context.diagnostic(`${calls} calls; ${told.join('; ')}`);
    });
  }
});
