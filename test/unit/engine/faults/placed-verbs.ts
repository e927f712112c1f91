import { mkdir, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { faultsOfHome } from '../../../support/faults/home-state.ts';
import {
  makeImage,
  writeToNow,
  type Place,
  type PreparedVerb,
  type VerbCall,
} from '../../../support/faults/stopped-lab.ts';

const machine = 'box';

/** Where the disk of a machine lies that another program uses. No verb here changes it. */
function sourceOf({ image }: Place): string {
  return path.join(path.dirname(image), 'other program');
}

function exportOf(place: Place): string {
  return path.join(sourceOf(place), 'exported');
}

function disksFolder({ home }: Place): string {
  return path.join(home, 'VM');
}

const prepare: VerbCall = async ({ service, copies }, place) => {
  const folder = sourceOf(place);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder);
  const disk = path.join(folder, 'disk.qcow2');
  await makeImage(disk);
  await service.addMachine({ name: machine, host: 'disks', disk }, {});
  await service.take({ machine, name: 'placed one' }, {});
  const shown = (await service.show({ machine })).machine;
  await writeToNow(shown, 7, 40_000, 5000);
  await copies.export({ machine, target: exportOf(place) }, {});
};

/** Which files lie outside of machines, and whether anything lies where nothing should. */
const look: VerbCall = async (_, place) => ({
  partial: (await readdir(place.home)).filter((name) => name.startsWith('.')),
  disks: (await readdir(disksFolder(place)).catch(() => [])).length,
  source: (await readdir(sourceOf(place))).sort(),
  faults: await faultsOfHome(place.home),
});

/** Copies of a machine that is plain disk images, whose disks another program uses. */
export const placedVerbs: Readonly<Record<string, PreparedVerb>> = {
  'import of disk images': {
    prepare,
    verb: ({ copies }, place) =>
      copies.import({ folder: exportOf(place), name: 'back', disksFolder: disksFolder(place) }, {}),
    look,
  },
  'import of an exported checkpoint of disk images': {
    prepare: async (engine, place) => {
      await prepare(engine, place);
      await rm(exportOf(place), { recursive: true });
      await engine.copies.export({ machine, target: exportOf(place), checkpoint: 'placed one' }, {});
    },
    verb: ({ copies }, place) =>
      copies.import({ folder: exportOf(place), name: 'back', disksFolder: disksFolder(place) }, {}),
    look,
  },
  'clone of disk images': {
    prepare,
    verb: ({ copies }, place) =>
      copies.clone({ machine, checkpoint: 'placed one', name: 'cloned', disksFolder: disksFolder(place) }, {}),
    look,
  },
  'clone of disk images in full': {
    prepare,
    verb: ({ copies }, place) =>
      copies.clone(
        { machine, checkpoint: 'placed one', name: 'cloned', full: true, disksFolder: disksFolder(place) },
        {},
      ),
    look,
  },
};
