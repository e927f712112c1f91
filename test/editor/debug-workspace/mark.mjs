// Stands for something risky: leaves a mark of when it ran.
import { appendFileSync } from 'node:fs';
import path from 'node:path';

appendFileSync(
  path.join(import.meta.dirname, 'marks.txt'),
  `${new Date().toISOString()} ${process.argv[2] ?? 'run'}\n`,
);
