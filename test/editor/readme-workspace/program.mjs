// Stands for what somebody runs, or debugs: leaves a mark that it ran.
import { appendFileSync } from 'node:fs';
import path from 'node:path';

appendFileSync(path.join(import.meta.dirname, 'ran.txt'), 'ran\n');
