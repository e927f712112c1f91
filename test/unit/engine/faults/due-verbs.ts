import path from 'node:path';
import { CheckpointError } from '../../../../engine/model/checkpoint-error.ts';
import { readClocks, readDue, writeDue } from '../../../../engine/store/due-record.ts';
import { MachineFolder } from '../../../../engine/store/machine-folder.ts';
import { lab, type PreparedVerb, type VerbCall } from '../../../support/faults/stopped-lab.ts';

const machine = lab;
const hourMs = 60 * 60 * 1000;
const due = 'Before applying “one”';

/** What an engine does without being asked, once the time of a checkpoint has been over for longer than is waited. */
export const dueVerbs: Readonly<Record<string, PreparedVerb>> = {
  'pruning of what is due': {
    prepare: expire,
    verb: async ({ retention }) => {
      const [failed] = await retention.pruneDue({});
      if (failed !== undefined) {
        throw new CheckpointError('Internal', failed.message);
      }
    },
  },
  'what is due, to the trash, by an engine that leaves': {
    prepare: async (engine, place) => {
      await expire(engine, place);
      await engine.service.annotate({ machine, checkpoint: 'one', notes: 'changed' });
    },
    verb: async (engine) => {
      const { service, retention } = engine;
      await service.annotate({ machine, checkpoint: 'one', notes: 'changed' });
      await retention.trashDue();
      const { trash } = (await service.show({ machine })).machine;
      if (!trash.some(({ checkpoint }) => checkpoint.name === due)) {
        throw new CheckpointError('Internal', 'What is due stays for now.');
      }
    },
  },
};

async function expire(_: Parameters<VerbCall>[0], { home }: Parameters<VerbCall>[1]): Promise<void> {
  const folder = new MachineFolder(path.join(home, 'machines', lab));
  const { checkpoints } = await folder.read();
  const found = checkpoints.find(({ name }) => name === due);
  if (found === undefined) {
    throw new Error(`There is no “${due}”`);
  }
  const at = new Date();
  await folder.writeCheckpoint({ ...found, expires: new Date(at.getTime() - 3 * hourMs).toISOString() });
  const before = await readDue(folder.path);
  await writeDue(folder.path, {
    last: readClocks(at),
    noticed: { ...before?.noticed, [found.id]: at.getTime() - 2 * hourMs },
  });
}
