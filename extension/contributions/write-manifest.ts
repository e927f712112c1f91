/** Writes what is declared in this folder into package.json and package.nls.json: `npm run contributions`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { manifest, textsJson, withMembers } from './manifest.ts';

const root = new URL('../../', import.meta.url);
const packageJson = new URL('package.json', root);
const { members, texts } = manifest();
writeFileSync(packageJson, withMembers(readFileSync(packageJson, 'utf8'), members));
writeFileSync(new URL('package.nls.json', root), textsJson(texts));
