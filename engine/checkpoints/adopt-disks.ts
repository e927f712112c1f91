import { randomUUID } from 'node:crypto';
import { realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { openChain } from '../disks/open-chain.ts';
import { CheckpointError } from '../model/checkpoint-error.ts';
import type { MachineDefinition, MachineDisk } from '../model/machine.ts';
import type { Params } from '../protocol/operations.ts';
import { hostOf, signalOf, type Call, type EngineContext } from './engine-context.ts';
import { newLayerNames } from './layers.ts';
import { machineFolders } from './machine-folders.ts';
import { freeName } from './open-machine.ts';
import { makeMachine } from './staging.ts';

/**
 * Makes a machine of disk images that another program uses. They stay where they are: its configuration stays valid, and
 * checkpoints lie beside them. @returns the machine's name
 * @throws UnsupportedDisk for a format that knows no differencing layers, NameInUse when a machine has one of them already
 */
export async function adoptDisks(context: EngineContext, options: Params<'addMachine'>, call: Call): Promise<string> {
  const name = await freeName(context, options.name);
  const given = [options.disk, ...(options.moreDisks ?? [])];
  const disks: MachineDisk[] = [];
  for (const [at, file] of given.entries()) {
    disks.push(await adopt(file, `disk${at}`, call));
  }
  await requireUnclaimed(context, disks);
  const definition: MachineDefinition = {
    id: randomUUID(),
    name,
    host: 'disks',
    created: new Date().toISOString(),
    disks,
  };
  const activeLayers = newLayerNames(definition);
  await makeMachine(context, name, async (folder) => {
    await hostOf(context, definition).requireUnused({ folder, definition, layers: activeLayers });
    await folder.writeDefinition(definition);
    await folder.writeNow({ activeLayers });
    call.signal?.throwIfAborted();
  });
  return name;
}

async function adopt(given: string, id: string, call: Call): Promise<MachineDisk> {
  const place = await realpath(path.resolve(given)).catch(() => path.resolve(given));
  const chain = await openChain(place, signalOf(call));
  try {
    const { format, virtualSizeBytes, details } = chain.top;
    if (format === 'raw' || format === 'vmdk' || details['data_file'] !== undefined) {
      throw new CheckpointError(
        'UnsupportedDisk',
        `The disk ${place} is of a kind that no differencing layer can take the place of. Convert it first (ckpt disk convert ${place} TARGET --to qcow2).`,
        { path: place, format },
      );
    }
    const parent = chain.layers[1];
    return {
      id,
      virtualSizeBytes,
      format,
      place,
      // What it stands on already is not ours: it stays as it is, and is refused once it has changed.
      ...(parent === undefined ? {} : { externalBase: await factsOfBase(parent.file.path, parent.format) }),
    };
  } finally {
    await chain.close();
  }
}

async function factsOfBase(
  file: string,
  format: MachineDisk['format'] & string,
): Promise<NonNullable<MachineDisk['externalBase']>> {
  const { size, mtimeMs } = await stat(file);
  return { path: file, format, sizeBytes: size, modifiedMs: Math.floor(mtimeMs), isChain: true };
}

/** Two machines with one disk would freeze it under each other. */
async function requireUnclaimed(context: EngineContext, disks: readonly MachineDisk[]): Promise<void> {
  const places = disks.map(({ place }) => place);
  const twice = places.find((place, at) => places.indexOf(place) !== at);
  if (twice !== undefined) {
    throw new CheckpointError('InvalidArgument', `The disk ${twice} is given twice.`, { path: twice });
  }
  for (const folder of await machineFolders(context)) {
    const records = await folder.read().catch(() => undefined);
    const taken = records?.definition.disks.find(({ place }) => place !== undefined && places.includes(place));
    if (taken !== undefined) {
      const owner = path.basename(folder.path);
      throw new CheckpointError('NameInUse', `The disk ${taken.place} belongs to machine “${owner}” already.`, {
        path: taken.place,
        machine: owner,
      });
    }
  }
}
