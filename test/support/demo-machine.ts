import { cp, mkdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { createEngine, type Engine } from '../../engine/engine.ts';
import { demoGuest, guestImageName } from './set-up.ts';

/** Used where the demo guest cannot be built: a published image of the catalogue. */
const publishedImage = 'cirros';

export const demoMachine = 'playground';

/**
 * Sees that the demo machine exists in the user's home.
 * @returns an engine for that home, and how to log in to the machine
 */
export async function prepareDemoMachine(
  log: (line: string) => void,
): Promise<{ engine: Engine; isOwnGuest: boolean }> {
  const engine = createEngine('npm start');
  const guest = await demoGuest(log);
  if (guest !== undefined) {
    await placeImage(guest, engine);
  }
  const { hosts } = await engine.service.list();
  const machines = hosts.flatMap((host) => host.machines);
  if (!machines.some((machine) => machine.name === demoMachine)) {
    const image = guest === undefined ? publishedImage : guestImageName;
    log(`Creating the machine “${demoMachine}” from the image “${image}” …`);
    await engine.service.createMachine({ name: demoMachine, image }, { report: (message) => log(`${message} …`) });
  }
  return { engine, isOwnGuest: guest !== undefined };
}

async function placeImage(guest: string, engine: Engine): Promise<void> {
  const target = path.join(engine.home.images, guestImageName);
  const staging = path.join(engine.home.images, `.new-${process.pid}`);
  await mkdir(engine.home.images, { recursive: true, mode: 0o700 });
  await cp(guest, staging, { recursive: true });
  await rm(target, { recursive: true, force: true });
  await rename(staging, target);
}
