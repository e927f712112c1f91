// Runs inside the extension host of a real VS Code, and writes what it found where EXTENSION_HOST_REPORT says.
import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import * as vscode from 'vscode';
import { z } from 'zod';
import type { Result } from '../../../engine/protocol/operations.ts';

const machine = 'playground';

const manifest = z.object({ contributes: z.object({ commands: z.array(z.object({ command: z.string() })) }) });

const tests: [name: string, run: () => Promise<void>][] = [
  [
    'the extension activates',
    async () => {
      await extension().activate();
      assert.equal(extension().isActive, true);
    },
  ],
  [
    'the commands that are registered are those of package.json',
    async () => {
      const declared = manifest.parse(extension().packageJSON).contributes.commands.map(({ command }) => command);
      const registered = (await vscode.commands.getCommands(true)).filter((command) => isOurs(command));
      assert.deepEqual(registered.sort(), declared.sort());
    },
  ],
  [
    'a command reaches the engine: take → the checkpoint has the name',
    async () => {
      const taken = await take('first');
      assert.equal(taken?.checkpoint.name, 'first');
      assert.equal(taken.checkpoint.hasMemory, false);
    },
  ],
  [
    'the engine is killed → another one is started, and commands work again',
    async () => {
      const [before] = await engines();
      assert.ok(before !== undefined, 'an engine runs');
      process.kill(before, 'SIGKILL');
      const end = Date.now() + 30_000;
      for (;;) {
        const taken = await take('after the crash');
        if (taken !== undefined) {
          assert.equal(taken.machine.checkpoints.length, 2);
          break;
        }
        assert.ok(Date.now() < end, 'the engine came back within 30 s');
        await delay(250);
      }
      const now = await engines();
      assert.equal(now.length, 1);
      assert.notEqual(now[0], before);
    },
  ],
  [
    'the task type is known: a task of it takes a checkpoint',
    async () => {
      const tasks = await vscode.tasks.fetchTasks({ type: 'vm-checkpoint' });
      assert.ok(tasks.some((task) => task.definition['machine'] === machine));
    },
  ],
];

/** Called by VS Code. */
export async function run(): Promise<void> {
  const report: string[] = [];
  let failures = 0;
  for (const [name, test] of tests) {
    try {
      await test();
      report.push(`ok ${name}`);
    } catch (error) {
      failures += 1;
      report.push(`FAILED ${name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    }
  }
  await writeFile(
    process.env['EXTENSION_HOST_REPORT'] ?? '',
    `VS Code ${vscode.version}, Node ${process.version}\n${report.join('\n')}\n`,
  );
  if (failures > 0) {
    throw new Error(report.join('\n'));
  }
}

function extension(): vscode.Extension<unknown> {
  const found = vscode.extensions.getExtension('vm-checkpoints.vm-checkpoints');
  assert.ok(found !== undefined, 'the extension is installed');
  return found;
}

/** VS Code registers commands of its own for each view and view container. */
function isOurs(command: string): boolean {
  return command.startsWith('vmCheckpoints.') && !command.startsWith('vmCheckpoints.machines.');
}

async function take(name: string): Promise<Result<'take'> | undefined> {
  return vscode.commands.executeCommand<Result<'take'> | undefined>('vmCheckpoints.take', { machine, name });
}

/** Engines that this extension host started (proc(5)). */
async function engines(): Promise<number[]> {
  const processes = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    processes.map(async (pid) => {
      const [status, commandLine] = await Promise.all(
        ['status', 'cmdline'].map((file) => readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '')),
      );
      return status?.includes(`PPid:\t${process.pid}\n`) === true && commandLine?.includes('engine.js\0serve') === true
        ? [Number(pid)]
        : [];
    }),
  );
  return found.flat();
}
