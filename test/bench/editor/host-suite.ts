// Runs inside the extension host of a real VS Code, and writes its figures where EXTENSION_HOST_REPORT says.
import { writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import * as vscode from 'vscode';

/** VS Code calls this when its window is ready. */
export async function run(): Promise<void> {
  const id = process.env['BENCH_EXTENSION'] ?? '';
  const extension = vscode.extensions.getExtension(id);
  if (extension === undefined || extension.isActive) {
    throw new Error('The extension is not there, or was activated by something else.');
  }
  // What VS Code itself does when it starts is not measured.
  await delay(5000);
  const heapBefore = usedHeap();
  const began = performance.now();
  await extension.activate();
  const activationMs = performance.now() - began;
  if (id === 'vm-checkpoints.vm-checkpoints') {
    // Answered by the engine, once it is ready.
    await vscode.commands.executeCommand('vmCheckpoints.refresh');
  }
  const engineMs = performance.now() - began;
  const heapBytes = usedHeap() - heapBefore;
  await writeFile(process.env['EXTENSION_HOST_REPORT'] ?? '', JSON.stringify({ activationMs, engineMs, heapBytes }));
}

/** Bytes that something still holds. */
function usedHeap(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc(); gc();');
  return process.memoryUsage().heapUsed;
}
