import path from 'node:path';
import { englishOf, quoted, say } from '../model/sayings.ts';
import { forecast, recentSamples, type SpaceSample } from '../model/space-forecast.ts';
import { formatSize } from '../model/size.ts';
import type { Saying } from '../protocol/sentences.ts';
import type { SpaceWarning } from '../protocol/space.ts';
import { LayerFiles } from '../store/layer-files.ts';
import { volumeOf } from '../store/volume.ts';
import type { EngineContext } from './engine-context.ts';
import { readMachine } from './locked-machine.ts';
import { machineFolderNamed, machineFolders } from './machine-folders.ts';

/** The volumes that running machines write to, watched over time: how much they have free, and when that will be gone. */
export class SpaceWatch {
  readonly #context: EngineContext;
  /** By device. */
  #samples = new Map<number, SpaceSample[]>();

  constructor(context: EngineContext) {
    this.#context = context;
  }

  /**
   * Looks once; looks that follow each other tell how fast a volume fills.
   * @param running names of the machines that run at present
   * @param atMs of a clock that nobody sets
   */
  async look(running: ReadonlySet<string>, atMs = performance.now()): Promise<SpaceWarning[]> {
    const samples = new Map<number, SpaceSample[]>();
    const warnings: SpaceWarning[] = [];
    for (const [device, volume] of await this.#volumes(running)) {
      const recent = recentSamples(this.#samples.get(device) ?? [], { atMs, freeBytes: volume.freeBytes });
      samples.set(device, recent);
      warnings.push(...warningOf(volume, recent));
    }
    this.#samples = samples;
    return warnings;
  }

  /** What is expected at present, by what earlier looks have seen. */
  async glance(running: ReadonlySet<string>): Promise<SpaceWarning[]> {
    const atMs = performance.now();
    const warnings: SpaceWarning[] = [];
    for (const [device, volume] of await this.#volumes(running)) {
      const samples = recentSamples(this.#samples.get(device) ?? [], { atMs, freeBytes: volume.freeBytes });
      warnings.push(...warningOf(volume, samples));
    }
    return warnings;
  }

  async #volumes(running: ReadonlySet<string>): Promise<Map<number, WatchedVolume>> {
    const volumes = new Map<number, WatchedVolume>();
    if (running.size === 0) {
      return volumes;
    }
    for (const folder of await machineFolders(this.#context)) {
      const name = path.basename(folder.path);
      const records = running.has(name) ? await readMachine(folder).catch(() => undefined) : undefined;
      if (records !== undefined) {
        const files = new LayerFiles(folder, records.definition, records.now.activeLayers);
        for (const place of new Set(files.disks.map((disk) => files.folderOf(disk)))) {
          const { device, freeBytes, sizeBytes } = await volumeOf(place);
          const known = volumes.get(device) ?? { folder: place, freeBytes, sizeBytes, machines: [] };
          volumes.set(device, { ...known, machines: [...new Set([...known.machines, name])] });
        }
      }
    }
    return volumes;
  }
}

interface WatchedVolume {
  folder: string;
  freeBytes: number;
  sizeBytes: number;
  machines: string[];
}

function warningOf({ folder, sizeBytes, machines }: WatchedVolume, samples: readonly SpaceSample[]): SpaceWarning[] {
  const expected = forecast(samples, sizeBytes);
  if (expected === undefined) {
    return [];
  }
  const facts = { volume: folder, machines, ...expected };
  const sentences = sayWarning(facts);
  return [{ ...facts, message: englishOf(sentences), sentences }];
}

/** Those of some machines that run at present. */
export async function runningOf(context: EngineContext, machines: readonly string[]): Promise<Set<string>> {
  const running = await Promise.all(
    machines.map(async (name) => {
      const folder = machineFolderNamed(context, name);
      const { state } = await context.hosts.qemu.look(folder).catch(() => ({ state: 'stopped' }));
      return state === 'running' ? [name] : [];
    }),
  );
  return new Set(running.flat());
}

function sayWarning({
  volume,
  machines,
  freeBytes,
  minutesLeft,
}: Omit<SpaceWarning, 'message' | 'sentences'>): Saying[] {
  const facts = { volume, free: formatSize(freeBytes) };
  const found =
    minutesLeft === undefined
      ? say('volumeLow', facts)
      : minutesLeft < 1
        ? say('volumeLowAtOnce', facts)
        : say('volumeLowInMinutes', { ...facts, minutes: minutesLeft });
  return [found, say('machinesWillStand', { machines: quoted(machines) }), say('freeOrPause')];
}
