import { cp } from 'node:fs/promises';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { Ckpt } from './ckpt.ts';
import { guestFolder } from './project.ts';
import { guestImageName } from './set-up.ts';
import { smallVolume, type VolumeKind } from './small-volume.ts';

/**
 * A machine that runs on a volume of its own, which is unmounted after its hypervisor has ended.
 * @returns undefined where mounting is not allowed: the test is skipped then
 */
export async function machineOnSmallVolume(
  context: TestContext,
  name: string,
  sizeBytes: number,
  kind: VolumeKind = 'ext4',
): Promise<{ volume: string; ckpt: Ckpt } | undefined> {
  const running: Ckpt[] = [];
  const stop = async (): Promise<void> => {
    await running[0]?.run('stop', ['stop', name, '--force']).catch(() => undefined);
  };
  const volume = await smallVolume(context, sizeBytes, kind, stop);
  if (volume === undefined) {
    return undefined;
  }
  const home = path.join(volume, 'home');
  await cp(path.join(guestFolder, guestImageName), path.join(home, 'images', guestImageName), { recursive: true });
  const ckpt = new Ckpt(home);
  await ckpt.run('createMachine', ['create-machine', name, '--image', guestImageName]);
  running.push(ckpt);
  await ckpt.run('start', ['start', name]);
  return { volume, ckpt };
}
