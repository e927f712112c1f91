// The part of the guest's /srv/project that is generated: something that hurts to lose, and checksums to show it.

import { createHash } from 'node:crypto';
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';

const years = [2021, 2022, 2023];
const months = Array.from({ length: 12 }, (_, index) => index + 1);
const trees = ['apple', 'cherry', 'medlar', 'pear', 'plum', 'quince', 'walnut'];

/** Adds the monthly data and `SHA256SUMS` to a project folder. */
export async function generateProject(projectFolder: string): Promise<void> {
  const dataFolder = path.join(projectFolder, 'data');
  await mkdir(dataFolder, { recursive: true });
  for (const year of years) {
    for (const month of months) {
      const file = `${year}-${String(month).padStart(2, '0')}.csv`;
      await writeFile(path.join(dataFolder, file), monthlyTable(year, month));
    }
  }
  await writeFile(path.join(projectFolder, 'SHA256SUMS'), await checksums(projectFolder));
}

function monthlyTable(year: number, month: number): string {
  const rows = trees.map((tree, index) => `${tree},${(year * 31 + month * 17 + index * 71) % 97}`);
  return ['tree,kilograms', ...rows, ''].join('\n');
}

/** In the format of sha256sum, for every file below `folder`. */
async function checksums(folder: string): Promise<string> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
    .sort();
  const lines = await Promise.all(
    files.map(async (file) => {
      const content = await readFile(path.join(folder, file));
      return `${createHash('sha256').update(content).digest('hex')}  ${file}\n`;
    }),
  );
  return lines.join('');
}
