import path from 'node:path';
import { projectFolder, runProgram } from './project.ts';

/** Checks that read the code without running it. */
export const staticChecks: { name: string; run(): Promise<unknown> }[] = [
  { name: 'types (tsc)', run: () => runNode('typescript/bin/tsc', ['--noEmit', '--project', '.']) },
  {
    name: 'types of the page (tsc)',
    run: () => runNode('typescript/bin/tsc', ['--noEmit', '--project', 'extension/details/page']),
  },
  { name: 'rules (eslint)', run: () => runNode('eslint/bin/eslint.js', ['.']) },
  {
    name: 'the house (dependency-cruiser)',
    run: () =>
      runNode('dependency-cruiser/bin/dependency-cruise.mjs', [
        '--config',
        '.dependency-cruiser.cjs',
        'engine',
        'extension',
        'test',
      ]),
  },
  {
    name: 'format (prettier)',
    run: () => runNode('prettier/bin/prettier.cjs', ['--check', '--log-level', 'warn', '.']),
  },
];

function runNode(program: string, args: string[]): Promise<string> {
  return runProgram(process.execPath, [path.join(projectFolder, 'node_modules', program), ...args]);
}
