import { randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { create } from '../../../engine/disks/operations/create.ts';
import { settlingMs } from '../../../engine/store/file-stamps.ts';
import { startEngine } from './engine-client.ts';

/** A home of many machines, `lab-0` and so on; what a list reads of them is there. @returns its folder, inside of the one given */
export async function manyMachines(folder: string, machines: number, checkpoints: number): Promise<string> {
  const home = path.join(folder, 'home');
  const engine = await startEngine(home);
  const disk = path.join(folder, 'disk.qcow2');
  await create(disk, { format: 'qcow2', virtualSizeBytes: 1024 ** 3 });
  await engine.request('addMachine', { name: 'lab-0', disk });
  for (let count = 0; count < checkpoints; count++) {
    await engine.request('take', { machine: 'lab-0' });
  }
  await engine.stop();
  const first = path.join(home, 'machines', 'lab-0');
  const definition = await readFile(path.join(first, 'machine.json'), 'utf8');
  const now = await readFile(path.join(first, 'now.json'));
  const names = await readdir(path.join(first, 'checkpoints'));
  const manifests = await Promise.all(
    names.map(async (name) => ({ name, content: await readFile(path.join(first, 'checkpoints', name)) })),
  );
  for (let count = 1; count < machines; count++) {
    const machine = path.join(home, 'machines', `lab-${count}`);
    await Promise.all(
      ['checkpoints', 'trash', 'run'].map((inner) => mkdir(path.join(machine, inner), { recursive: true })),
    );
    await writeFile(
      path.join(machine, 'machine.json'),
      definition.replace(/"id": "[0-9a-f-]{36}"/, `"id": "${randomUUID()}"`),
    );
    await writeFile(path.join(machine, 'now.json'), now);
    await Promise.all(
      manifests.map(({ name, content }) => writeFile(path.join(machine, 'checkpoints', name), content)),
    );
  }
  // What was written only just now is read each time.
  await delay(2 * settlingMs);
  return home;
}
