import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { z } from 'zod';
import { findCheckpoint } from '../model/tree.ts';
import type { CopyOperations } from '../protocol/copies.ts';
import type { MachineInfo } from '../protocol/machines.ts';
import type { MachineFolder, MachineRecords } from '../store/machine-folder.ts';
import type { CheckpointService } from './checkpoint-service.ts';
import { clone, exportTo, flattenMachine, importFrom, type CloneParams, type ExportParams } from './copies.ts';
import { bytesOfFiles, filesOfChains } from './copy-bytes.ts';
import type { Call, EngineContext } from './engine-context.ts';
import { requireFormatOfCheckpoint } from './export.ts';
import { planImport } from './import.ts';
import type { JobService } from './job-service.ts';
import { readMachine } from './locked-machine.ts';
import { shortestJobBytes } from './long-operations.ts';
import { decideMove, moveMachine, placeToMoveTo, requireOtherPlace } from './move.ts';
import { findMachine, requireOwnId, seeMachine } from './open-machine.ts';

type CopyCalls = {
  [K in keyof CopyOperations]: (
    params: CopyOperations[K]['params'],
    call: Call,
  ) => Promise<CopyOperations[K]['result']>;
};

const bytes = z.int().min(0);
const named = z.object({ name: z.string() });
const exported = z.object({ folder: z.string(), files: z.array(z.string()), sizeBytes: bytes });
const flattened = z.object({ copiedBytes: bytes });

/** The operations that make machines of machines, once for all faces. What copies much runs as a job. */
export class CopyService implements CopyCalls {
  readonly #context: EngineContext;
  readonly #machines: Pick<CheckpointService, 'show'>;
  readonly #jobs: Pick<JobService, 'run'>;

  constructor(context: EngineContext, machines: Pick<CheckpointService, 'show'>, jobs: Pick<JobService, 'run'>) {
    this.#context = context;
    this.#machines = machines;
    this.#jobs = jobs;
  }

  async clone(params: CopyOperations['clone']['params'], call: Call): Promise<CopyOperations['clone']['result']> {
    const started = performance.now();
    const { full = false, disksFolder, ...rest } = params;
    const chosen: CloneParams = {
      ...rest,
      ...absoluteFolder(disksFolder),
      full,
      id: randomUUID(),
      checkpointId: randomUUID(),
    };
    const long = full
      ? await this.#ifLong(params.machine, async (folder, records) =>
          bytesOfFiles(
            (await filesOfChains(folder, records, [layersOf(records, params.checkpoint)])).map(({ file }) => file),
          ),
        )
      : undefined;
    const { name } =
      long === undefined
        ? await clone(this.#context, chosen, call)
        : named.parse(await this.#run('clone', long, chosen, call));
    return { machine: await this.#view(name), totalMs: Math.round(performance.now() - started) };
  }

  async flatten(params: CopyOperations['flatten']['params'], call: Call): Promise<CopyOperations['flatten']['result']> {
    const long = await this.#ifLong(params.machine, async (folder, records) => {
      const all = await filesOfChains(folder, records, pointsOf(records));
      return bytesOfFiles(all.filter(({ isOutside }) => isOutside).map(({ file }) => file));
    });
    const { copiedBytes } =
      long === undefined
        ? { copiedBytes: await flattenMachine(this.#context, params.machine, call) }
        : flattened.parse(await this.#run('flatten', long, { machine: long.id }, call));
    return { machine: await this.#view(params.machine), copiedBytes };
  }

  async move(params: CopyOperations['move']['params'], call: Call): Promise<CopyOperations['move']['result']> {
    const place = await placeToMoveTo(this.#context, params.folder);
    const { machine } = params;
    requireOtherPlace(await findMachine(this.#context, machine), place);
    const long = await this.#ifLong(machine, async () => {
      const { isCopy, bytes } = await decideMove(this.#context, await seeMachine(this.#context, machine), place);
      return isCopy ? bytes : 0;
    });
    const chosen = { machine: long?.id ?? machine, place, token: randomUUID() };
    const { copiedBytes } =
      long === undefined
        ? await moveMachine(this.#context, chosen, call)
        : flattened.parse(await this.#run('move', long, chosen, call));
    return { machine: await this.#view(machine), copiedBytes };
  }

  async export(params: CopyOperations['export']['params'], call: Call): Promise<CopyOperations['export']['result']> {
    const { machine, target, checkpoint, to } = params;
    requireFormatOfCheckpoint(params);
    const chosen: ExportParams = {
      machine,
      ...(checkpoint === undefined ? {} : { checkpoint }),
      to: to ?? 'qcow2',
      target: { path: path.resolve(target), token: randomUUID() },
    };
    const long = await this.#ifLong(machine, async (folder, records) => {
      const points = checkpoint === undefined ? pointsOf(records) : [layersOf(records, checkpoint)];
      const memory = records.checkpoints.flatMap((one) =>
        checkpoint !== undefined || one.memory === undefined ? [] : [folder.inner(one.memory.file)],
      );
      const chains = await filesOfChains(folder, records, points);
      return bytesOfFiles([...chains.map(({ file }) => file), ...memory]);
    });
    return long === undefined
      ? exportTo(this.#context, chosen, call)
      : exported.parse(await this.#run('export', long, chosen, call));
  }

  async import(params: CopyOperations['import']['params'], call: Call): Promise<CopyOperations['import']['result']> {
    const folder = path.resolve(params.folder);
    const { bytes: toCopy, name, id } = await planImport(this.#context, folder, params.name);
    const disksFolder = absoluteFolder(params.disksFolder);
    const chosen = { folder, name, id, ...disksFolder };
    const made =
      toCopy < shortestJobBytes
        ? await importFrom(this.#context, chosen, call)
        : named.parse(await this.#jobs.run({ operation: 'import', params: chosen }, call, 'cancel'));
    return { machine: await this.#view(made.name) };
  }

  /**
   * What cannot be measured is tried at once, and refused with its reason.
   * @returns the machine when it takes long
   * @throws AmbiguousName
   */
  async #ifLong(
    reference: string,
    measure: (folder: MachineFolder, records: MachineRecords) => Promise<number>,
  ): Promise<{ id: string; name: string } | undefined> {
    let long: { id: string; name: string };
    try {
      const folder = await findMachine(this.#context, reference);
      const records = await readMachine(folder);
      const { id, name } = records.definition;
      if ((await measure(folder, records)) < shortestJobBytes) {
        return undefined;
      }
      long = { id, name };
    } catch {
      return undefined;
    }
    await requireOwnId(this.#context, long.id);
    return long;
  }

  #run(
    operation: string,
    machine: { id: string; name: string },
    params: object,
    call: Call,
  ): Promise<Record<string, unknown>> {
    return this.#jobs.run({ operation, machine, params: { ...params } }, call, 'cancel');
  }

  async #view(machine: string): Promise<MachineInfo> {
    return (await this.#machines.show({ machine })).machine;
  }
}

/** A job has another working folder. */
function absoluteFolder(disksFolder: string | undefined): { disksFolder?: string } {
  return disksFolder === undefined ? {} : { disksFolder: path.resolve(disksFolder) };
}

function pointsOf({ now, checkpoints }: MachineRecords): MachineRecords['now']['activeLayers'][] {
  return [now.activeLayers, ...checkpoints.map(({ layers }) => layers)];
}

function layersOf(records: MachineRecords, checkpoint: string | undefined): MachineRecords['now']['activeLayers'] {
  return checkpoint === undefined
    ? records.now.activeLayers
    : findCheckpoint({ machine: records.definition.name, ...records }, checkpoint).layers;
}
