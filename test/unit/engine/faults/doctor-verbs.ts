import { chmod, rm, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { CheckpointError } from '../../../../engine/model/checkpoint-error.ts';
import type { DoctorOperations } from '../../../../engine/protocol/doctor.ts';
import { MachineFolder } from '../../../../engine/store/machine-folder.ts';
import { lab, type Place, type PreparedVerb } from '../../../support/faults/stopped-lab.ts';

type Options = DoctorOperations['doctor']['params'];

/** `doctor --repair` of machines that are damaged in one way each: mended, or as damaged as before. */
export const doctorVerbs: Readonly<Record<string, PreparedVerb>> = {
  'doctor --repair of files that nothing names': repairOf((folder) =>
    writeFile(folder.inner('layers/disk0-00000000.qcow2'), 'nobody knows it'),
  ),
  'doctor --repair of a layer that may be written': repairOf(async (folder) => {
    const { checkpoints } = await folder.read();
    await chmod(folder.inner(checkpoints[0]?.layers['disk0'] ?? ''), 0o600);
  }),
  'doctor --repair of the record of frozen layers': repairOf((folder) => writeFile(folder.inner('frozen.json'), '{')),
  'doctor --repair of a lost manifest': repairOf(async (folder) => {
    const { checkpoints } = await folder.read();
    const three = checkpoints.find(({ name }) => name === 'three');
    await rm(folder.inner(`checkpoints/${three?.id}.json`));
    // Whose it was is not known any more.
    await rm(folder.inner(three?.firmware?.folder ?? ''), { recursive: true });
  }),
  'doctor --repair of a missing reserve': repairOf((folder) => rm(folder.inner('reserve'))),
  'doctor --accept-changed of a disk outside': {
    prepare: async ({ service }, { image }) => {
      await service.addMachine({ name: 'added', disk: image }, {});
      await service.take({ machine: 'added', name: 'first' }, {});
      await utimes(image, 1, 1);
    },
    ...repairing({ machine: 'added', acceptChanged: true }),
  },
};

function repairOf(damage: (folder: MachineFolder) => Promise<void>): PreparedVerb {
  return {
    prepare: (_engine, { home }: Place) => damage(new MachineFolder(path.join(home, 'machines', lab))),
    ...repairing({ machine: lab, repair: true }),
  };
}

function repairing(options: Options): Pick<PreparedVerb, 'verb' | 'look'> {
  return {
    verb: async ({ doctor }) => {
      const { machines, isSound } = await doctor.doctor(options, {});
      if (!isSound) {
        const messages = machines.flatMap(({ findings }) => findings.map(({ message }) => message));
        throw new CheckpointError('Internal', messages.join(' '));
      }
    },
    look: async ({ doctor }) => {
      const { machines } = await doctor.doctor({ machine: options.machine ?? lab }, {});
      return machines.flatMap(({ findings }) => findings.map(({ code }) => code));
    },
  };
}
