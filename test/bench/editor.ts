import { mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import path from 'node:path';
import { vsixFile } from '../support/project.ts';
import { build, packageExtension } from '../support/set-up.ts';
import { manyMachines } from './checkpoints/many-machines.ts';
import { median } from './disks/verdict.ts';
import { hostFigures, type HostFigures } from './editor/host-figures.ts';
import { windowFigures } from './editor/window-figures.ts';

const rounds = Number(process.env['CKPT_BENCH_ROUNDS'] ?? 5);
const machines = 100;
const checkpoints = 50;

interface Row {
  what: string;
  figures: readonly number[];
  unit: string;
  most: number;
}

/**
 * Measures the extension in a real VS Code: medians, each round in a window or an extension host of its own.
 * CKPT_BENCH_PEER_EXTENSION names the folder of another extension, built, whose activation is measured beside.
 */
export async function benchEditor(): Promise<void> {
  await build();
  await packageExtension();
  const folder = await mkdtemp(path.join(process.env['CKPT_BENCH_FOLDER'] ?? tmpdir(), 'ckpt-bench-'));
  try {
    const empty = path.join(folder, 'empty');
    await mkdir(empty);
    const many = await manyMachines(folder, machines, checkpoints);
    console.log(
      `Load at the beginning: ${loadavg()
        .map((load) => load.toFixed(1))
        .join(', ')}. Medians of ${rounds} rounds.`,
    );
    const alone = await times(() => hostFigures(folder, empty));
    const full = await times(() => hostFigures(folder, many));
    const peer = process.env['CKPT_BENCH_PEER_EXTENSION'];
    const other = peer === undefined ? [] : await times(() => hostFigures(folder, empty, peer)).catch(tellPeer);
    const windows = await times(() => windowFigures(folder, many));
    const tree = `${machines} machines × ${checkpoints}`;
    const rows: Row[] = [
      { what: 'activation', figures: alone.map((one) => one.activationMs), unit: 'ms', most: 50 },
      ...(other.length === 0
        ? []
        : [
            {
              what: 'activation of the peer',
              figures: other.map((one) => one.activationMs),
              unit: 'ms',
              most: Infinity,
            },
          ]),
      { what: 'engine ready, from activation', figures: alone.map((one) => one.engineMs), unit: 'ms', most: 250 },
      {
        what: `${tree}: shown, from activation`,
        figures: windows.map((one) => one.shownAfterActivationMs),
        unit: 'ms',
        most: 500,
      },
      {
        what: `${tree}: shown, from the click`,
        figures: windows.map((one) => one.shownMs),
        unit: 'ms',
        most: Infinity,
      },
      {
        what: `${tree}: another process's change shown`,
        figures: windows.flatMap((one) => one.updatedMs),
        unit: 'ms',
        most: 100,
      },
      { what: `${tree}: heap held`, figures: full.map((one) => one.heapBytes / 2 ** 20), unit: 'MiB', most: 30 },
      { what: 'package', figures: [(await stat(vsixFile)).size / 2 ** 20], unit: 'MiB', most: 1.43 },
    ];
    rows.forEach(show);
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Another extension may not run here at all, which is no reason to leave the rest. */
function tellPeer(error: unknown): HostFigures[] {
  console.log(`The peer could not be measured: ${error instanceof Error ? error.message : String(error)}`);
  return [];
}

async function times<T>(measure: () => Promise<T>): Promise<T[]> {
  const found: T[] = [];
  for (let round = 0; round < rounds; round++) {
    found.push(await measure());
  }
  return found;
}

function show({ what, figures, unit, most }: Row): void {
  const found = median(figures);
  const verdict = most === Infinity ? '' : found <= most ? 'reached' : 'MISSED';
  const range = `${Math.min(...figures).toFixed(1)} to ${Math.max(...figures).toFixed(1)}`;
  const reach = most === Infinity ? '–' : `≤ ${most} ${unit}`;
  console.log(`${what.padEnd(50)} ${found.toFixed(1).padStart(8)} ${unit.padEnd(4)} (${range})  ${reach}  ${verdict}`);
}
