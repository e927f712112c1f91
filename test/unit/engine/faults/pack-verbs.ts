import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { MachineFolder } from '../../../../engine/store/machine-folder.ts';
import { giveMemoryTo } from '../../../support/faults/given-memory.ts';
import { lab, type Place, type PreparedVerb, type VerbCall } from '../../../support/faults/stopped-lab.ts';

const pack: VerbCall = ({ packing }) => packing.packMemory({ machine: lab }, {});

/** Memory that was never any guest's is packed as well as any: two checkpoints have some, and Now hangs from neither. */
export const packVerbs: Readonly<Record<string, PreparedVerb>> = {
  'pack memory': { prepare: (_, place) => giveMemory(place, 'two', Buffer.from('guest '.repeat(20_000))), verb: pack },
  'pack memory that does not shrink': {
    prepare: (_, place) => giveMemory(place, 'one', randomBytes(20_000)),
    verb: pack,
    look: async (_, { home }) => {
      const { checkpoints } = await folderIn(home).read();
      return checkpoints.map(({ memory }) => memory?.isPackable ?? null);
    },
  },
};

function folderIn(home: string): MachineFolder {
  return new MachineFolder(path.join(home, 'machines', lab));
}

async function giveMemory({ home }: Place, name: string, content: Buffer): Promise<void> {
  const folder = folderIn(home);
  const { checkpoints } = await folder.read();
  for (const checkpoint of checkpoints.filter((one) => one.name === name)) {
    await giveMemoryTo(folder, checkpoint, content);
  }
}
