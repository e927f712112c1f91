// Part of `npm run contributions`: writes the schema of machine.json, which is the engine's, where the package has it.
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { machineSchema } from '../../engine/store/machine-schema.ts';
import { projectFolder } from './project.ts';

writeFileSync(path.join(projectFolder, 'extension/schemas/machine.json'), machineSchema());
