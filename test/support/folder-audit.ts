import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { resolveChain } from '../../engine/disks/chain.ts';
import { MachineFolder } from '../../engine/store/machine-folder.ts';

/**
 * Compares what lies in a machine's folder with what its records name.
 * @returns files that nothing names, and names without a file; both empty when the folder is in order
 */
export async function auditMachine(machine: string): Promise<{ unknown: string[]; missing: string[] }> {
  const folder = new MachineFolder(machine);
  const { now, checkpoints, definition } = await folder.read();
  const named = new Set<string>();
  for (const layers of [now.activeLayers, ...checkpoints.map((checkpoint) => checkpoint.layers)]) {
    for (const disk of definition.disks) {
      const chain = await resolveChain(
        folder.inner(layers[disk.id] ?? ''),
        path.join(machine, 'layers'),
        disk.externalBase,
      );
      chain.filter((link) => link.file !== disk.externalBase?.path).forEach((link) => named.add(link.file));
    }
  }
  checkpoints.forEach((checkpoint) => {
    named.add(path.join(machine, 'checkpoints', `${checkpoint.id}.json`));
    if (checkpoint.memory !== undefined) {
      named.add(folder.inner(checkpoint.memory.file));
    }
  });
  const present = (
    await Promise.all(
      ['layers', 'memory', 'checkpoints'].map(async (inner) =>
        (await readdir(path.join(machine, inner))).map((file) => path.join(machine, inner, file)),
      ),
    )
  ).flat();
  const journal = (await folder.readJournal()) === undefined ? [] : [path.join(machine, 'journal.json')];
  return {
    unknown: [...present.filter((file) => !named.has(file)), ...journal],
    missing: [...named].filter((file) => !present.includes(file)),
  };
}
