// npm run package: builds the .vsix.

import { stat } from 'node:fs/promises';
import { vsixFile } from './project.ts';
import { build, packageExtension } from './set-up.ts';

async function main(): Promise<void> {
  await build();
  await packageExtension();
  const { size } = await stat(vsixFile);
  console.log(`${vsixFile}: ${Math.round(size / 1024)} KiB`);
}

void main();
