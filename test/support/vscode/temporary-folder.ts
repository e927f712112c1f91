import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { exitOnSignals } from './signals.ts';

/** A folder that only we can read, and that goes away with `remove`, or when our process exits. */
export interface TemporaryFolder {
  readonly path: string;
  remove(): Promise<void>;
}

const present = new Set<string>();
let isHooked = false;

/** Makes a temporary folder, with a path short enough for the sockets of VS Code. */
export async function makeTemporaryFolder(): Promise<TemporaryFolder> {
  removePresentOnExit();
  const folder = await mkdtemp(path.join(tmpdir(), 'vscode-'));
  present.add(folder);
  return {
    path: folder,
    async remove() {
      await rm(folder, removal);
      present.delete(folder);
    },
  };
}

const removal = { recursive: true, force: true, maxRetries: 3 } as const;

function removePresentOnExit(): void {
  exitOnSignals();
  if (isHooked) return;
  isHooked = true;
  process.on('exit', () => {
    for (const folder of present) {
      try {
        rmSync(folder, removal);
      } catch {
        // somebody still writes there; nobody is left to tell
      }
    }
  });
}
