import { randomBytes } from 'node:crypto';
import { link, open, rename, rm } from 'node:fs/promises';
import { systemCode } from '../model/checkpoint-error.ts';
import { readHolder, type LockAttempt, type LockHolder } from './lock-holder.ts';
import { isProcessAlive } from './process-identity.ts';

/** A lock without the kernel's help: a file that only one process can create, and that a dead owner loses. */
export async function tryOwnerFile(file: string, holder: LockHolder): Promise<LockAttempt> {
  const own = `${file}.${randomBytes(4).toString('hex')}`;
  await writeOwner(own, holder);
  try {
    for (let attempt = 0; attempt < 2; attempt++) {
      try {
        // A link, and not a file created empty: whoever dies here leaves no owner without a name.
        await link(own, file);
        return { lock: { release: () => rm(file, { force: true }) } };
      } catch (error) {
        if (systemCode(error) !== 'EEXIST') {
          throw error;
        }
      }
      const found = await readHolder(file);
      if (found === undefined || (await isProcessAlive(found.pid, found.identity))) {
        return { holder: found };
      }
      // The rename is the claim: of several that find the owner dead, one moves the file away.
      const claimed = `${own}.dead`;
      await rename(file, claimed).catch(() => undefined);
      await rm(claimed, { force: true });
    }
    return { holder: undefined };
  } finally {
    await rm(own, { force: true });
  }
}

async function writeOwner(file: string, holder: LockHolder): Promise<void> {
  const handle = await open(file, 'wx', 0o600);
  try {
    await handle.writeFile(JSON.stringify(holder));
    await handle.sync();
  } finally {
    await handle.close();
  }
}
