import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import type { MachineFolder } from './machine-folder.ts';

/**
 * Beside a machine's records while its guest goes on, and nobody has looked yet whether its clock is right: what an engine
 * that dies in that moment leaves to the next one. It need not outlive a loss of power, which ends the guest, too.
 */
const fileName = 'welcome-due';

export function owesWelcome(folder: MachineFolder): boolean {
  return existsSync(folder.inner(fileName));
}

export async function oweWelcome(folder: MachineFolder): Promise<void> {
  await writeFile(folder.inner(fileName), '', { mode: 0o600 });
}

export async function welcomeIsGiven(folder: MachineFolder): Promise<void> {
  await rm(folder.inner(fileName), { force: true });
}
