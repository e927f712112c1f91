// Stands for something risky: leaves a mark that it ran, and fails when asked to.
import { appendFileSync } from 'node:fs';
import path from 'node:path';

appendFileSync(path.join(import.meta.dirname, 'installed.txt'), `${new Date().toISOString()}\n`);
console.log('installed');
process.exitCode = process.argv.includes('--fail') ? 3 : 0;
