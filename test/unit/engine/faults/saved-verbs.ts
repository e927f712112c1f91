import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { MachineFolder } from '../../../../engine/store/machine-folder.ts';
import { call, lab, type Place, type PreparedVerb, type VerbCall } from '../../../support/faults/stopped-lab.ts';

const machine = lab;
const file = 'memory/00000000-saved.state';
const content = 'what the guest had in its memory';

/**
 * Verbs on a machine that is saved. That its memory could be resumed is for the tests with a real guest: here it is a few
 * words, which are not to be lost and not to be left over.
 */
export const savedVerbs: Readonly<Record<string, PreparedVerb>> = {
  'discard-state': saved(({ life }) => life.discardState({ machine })),
  'take of a saved machine': saved(call('take', () => ({ machine, name: 'new' }))),
  'apply over a saved machine, discarding Now': saved(
    call('apply', () => ({ machine, checkpoint: 'two', discardNow: true })),
  ),
  'undo to a saved machine': saved(
    call('undo', () => ({ machine })),
    call('apply', () => ({ machine, checkpoint: 'two' })),
  ),
  'revert to a checkpoint of a saved machine': saved(
    call('revert', () => ({ machine })),
    call('take', () => ({ machine, name: 'of saved' })),
  ),
  ...(process.env['CKPT_FAULTS'] === 'all' ? lessUsual() : {}),
};

function lessUsual(): Record<string, PreparedVerb> {
  return {
    'take of a saved machine without memory': saved(call('take', () => ({ machine, name: 'new', memory: false }))),
    'apply over a saved machine': saved(call('apply', () => ({ machine, checkpoint: 'two' }))),
    'undo over a saved machine': saved(call('undo', () => ({ machine }))),
    'revert of a saved machine to its disks only': saved(
      call('revert', () => ({ machine, disksOnly: true })),
      call('take', () => ({ machine, name: 'of saved' })),
    ),
    'delete for good of a checkpoint of a saved machine': saved(
      call('delete', () => ({ machine, checkpoint: 'of saved', purge: true })),
      call('take', () => ({ machine, name: 'of saved' })),
    ),
    'group take of a saved machine': saved(({ groups }) => groups.groupTake({ name: 'new', machines: [machine] }, {})),
  };
}

/** @param then happens to the saved machine before, without a fault */
function saved(verb: VerbCall, then?: VerbCall): PreparedVerb {
  return {
    prepare: async (engine, place) => {
      await save(place);
      await then?.(engine, place);
    },
    verb,
  };
}

async function save({ home }: Place): Promise<void> {
  const folder = new MachineFolder(path.join(home, 'machines', lab));
  const { now } = await folder.read();
  await writeFile(folder.inner(file), content, { mode: 0o600 });
  await folder.writeNow({
    ...now,
    memory: {
      file,
      sizeBytes: content.length,
      wasPaused: false,
      wasSaved: true,
      hypervisor: { version: '7.2', accelerator: 'tcg', guestArguments: [] },
    },
  });
}
