// Measures. Usage: npm run bench -- SUITE, with the suites below. Prints our figure, the peer's from the same run, and their ratio.

import { benchCheckpoints } from './checkpoints.ts';
import { benchDisks } from './disks.ts';
import { benchEditor } from './editor.ts';
import { benchMachines } from './machines.ts';

const suites: Readonly<Record<string, (rows: readonly string[]) => Promise<void>>> = {
  disks: benchDisks,
  checkpoints: benchCheckpoints,
  machines: benchMachines,
  editor: benchEditor,
};

async function main([name, ...rows]: string[]): Promise<void> {
  const suite = suites[name ?? ''];
  if (suite === undefined) {
    console.error(`Usage: npm run bench -- SUITE [ROW…], with the suite ${Object.keys(suites).join(' or ')}.`);
    process.exit(2);
  }
  await suite(rows);
}

main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
