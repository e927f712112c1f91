// First step of every npm script that must work on a fresh clone: sees that node's dependencies are there, then runs the
// TypeScript program that is named. Uses nothing but Node itself.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const root = path.resolve(import.meta.dirname ?? '.', '../..');
const [program, ...args] = process.argv.slice(2);

const oldestNode = 20;
if (Number(process.versions.node.split('.')[0]) < oldestNode) {
  console.error(`Node ${process.versions.node} is too old: install Node ${oldestNode} or newer, then run this again.`);
  process.exit(1);
}

const lock = createHash('sha256')
  .update(readFileSync(path.join(root, 'package-lock.json')))
  .digest('hex');
const stamp = path.join(root, 'node_modules/.installed-lock');
if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== lock) {
  // npm would empty what it leads to, which others may be using.
  if (lstatSync(path.dirname(stamp), { throwIfNoEntry: false })?.isSymbolicLink() === true) {
    console.error(
      'node_modules is a link, and does not fit package-lock.json: run npm ci where it leads, or remove it.',
    );
    process.exit(1);
  }
  console.log('Installing the node dependencies (npm ci) …');
  const npm = process.env.npm_execpath;
  const installed =
    npm === undefined
      ? spawnSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] })
      : spawnSync(process.execPath, [npm, 'ci', '--no-audit', '--no-fund'], {
          cwd: root,
          stdio: ['ignore', 'ignore', 'inherit'],
        });
  if (installed.status !== 0) {
    console.error('npm ci failed; its words are above. With a connection to the npm registry, run this again.');
    process.exit(1);
  }
  writeFileSync(stamp, lock);
}

const run = spawnSync(process.execPath, ['--import', 'tsx', path.join(root, program), ...args], {
  cwd: root,
  stdio: 'inherit',
});
process.exit(run.status ?? 1);
