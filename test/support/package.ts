// npm run package [-- --target PLATFORM]: builds the .vsix of a platform, named as `vsce package --target` names it;
// without, of this computer's.

import { stat } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { cacheFolder, vsixFile } from './project.ts';
import { build, packageExtension } from './set-up.ts';

async function main(): Promise<void> {
  const { target } = parseArgs({ options: { target: { type: 'string' } } }).values;
  await build(target);
  const file = target === undefined ? vsixFile : path.join(cacheFolder, `vm-checkpoints-${target}.vsix`);
  await packageExtension(file, target);
  const { size } = await stat(file);
  console.log(`${file}: ${Math.round(size / 1024)} KiB`);
}

void main();
