import path from 'node:path';
import { CheckpointError, isAbort, toWireError } from '../model/checkpoint-error.ts';
import { machineSpace } from '../model/space.ts';
import { byCreation } from '../model/tree.ts';
import type { PrunedMachine, RetentionOperations, RetentionPlan } from '../protocol/retention.ts';
import type { SpaceOperations } from '../protocol/space.ts';
import { MachineFolder, type MachineRecords } from '../store/machine-folder.ts';
import { lockHolder } from '../store/file-lock.ts';
import { readPolicy, writePolicy } from '../store/policy-record.ts';
import { volumeOf } from '../store/volume.ts';
import { deleteCheckpoints } from './delete.ts';
import type { Call, EngineContext } from './engine-context.ts';
import { readMachine } from './locked-machine.ts';
import { freeSpaceOf } from './free-space.ts';
import { readLayerTree } from './machine-space.ts';
import { machineFolderNamed, machineFolders } from './machine-folders.ts';
import { withRunningMerges } from './merge-layers.ts';
import { changeMachine, findMachine } from './open-machine.ts';
import { sightMachine } from './running-times.ts';
import { runningOf, type SpaceWatch } from './space-watch.ts';
import { chooseDue, mayBeDue } from './prune-due.ts';
import { carryOutPruning, hasLayersToMerge, planPruning } from './prune.ts';

type RetentionAndSpace = RetentionOperations & SpaceOperations;
type RetentionCalls = {
  [K in keyof RetentionAndSpace]: (
    params: RetentionAndSpace[K]['params'],
    call: Call,
  ) => Promise<RetentionAndSpace[K]['result']>;
};
type Failed = SpaceOperations['space']['result']['failed'][number];

/** The operations on what machines keep and what they take, once for all faces. */
export class RetentionService implements RetentionCalls {
  readonly #context: EngineContext;
  readonly #spaceWatch: SpaceWatch;
  readonly #clock: () => Date;

  constructor(context: EngineContext, spaceWatch: SpaceWatch, clock: () => Date = () => new Date()) {
    this.#context = context;
    this.#spaceWatch = spaceWatch;
    this.#clock = clock;
  }

  async policy({
    machine,
    policy,
  }: RetentionOperations['policy']['params']): Promise<RetentionOperations['policy']['result']> {
    const folder = await findMachine(this.#context, machine);
    if (policy?.ageBy === 'running' && (await folder.read()).definition.host === 'disks') {
      throw new CheckpointError(
        'NotSupported',
        'Another program runs this machine, so it is not known for how long it ran, and no rule can go by it. Leave ageBy out, or let it be wall.',
        { field: 'ageBy' },
      );
    }
    if (policy !== undefined) {
      await changeMachine(this.#context, machine, 'policy', (open) => writePolicy(open.folder.path, policy));
    }
    return { machine: path.basename(folder.path), policy: await readPolicy(folder.path) };
  }

  async prune(
    { machine, dryRun }: RetentionOperations['prune']['params'],
    call: Call,
  ): Promise<RetentionOperations['prune']['result']> {
    const isDryRun = dryRun === true;
    const { done, failed } = await this.#each(machine, call, (folder) => this.#prune(folder, isDryRun, call));
    return { isDryRun, machines: done, failed };
  }

  async #prune(folder: MachineFolder, isDryRun: boolean, call: Call): Promise<PrunedMachine> {
    const at = this.#clock();
    const machine = path.basename(folder.path);
    const records = await readMachine(folder);
    const { plan, trash } = await planPruning(folder, records, at);
    const hasWork =
      plan.deleted.length > 0 || trash.length > 0 || (await hasLayersToMerge(this.#context, folder, records));
    // A machine that nothing is to be done to is neither locked nor written.
    if (isDryRun || !hasWork) {
      return { machine, ...plan };
    }
    return { machine, ...(await this.#carryOut(machine, at, call)) };
  }

  async #carryOut(machine: string, at: Date, call: Call, only?: ReadonlySet<string>): Promise<RetentionPlan> {
    const { carriedOut, state } = await changeMachine(this.#context, machine, 'prune', async (open) => ({
      carriedOut: await carryOutPruning(this.#context, open, at, call, only),
      state: open.presence.state,
    }));
    if (state !== 'stopped') {
      await withRunningMerges(this.#context, machine, { freedBytes: 0, movedBytes: 0 }, {}, call);
    }
    return carriedOut;
  }

  /** What an engine that stays prunes without being asked: what is due, but not in a burst when a computer wakes up. */
  async pruneDue(call: Call): Promise<Failed[]> {
    const { failed } = await this.#each(undefined, call, async (folder) => {
      const { at, records, chosen } = await this.#due(folder);
      if (chosen.size > 0 || (await hasLayersToMerge(this.#context, folder, records))) {
        await this.#carryOut(path.basename(folder.path), at, call, chosen);
      }
    });
    return failed;
  }

  /**
   * The same for an engine that is about to leave, of the machines that it changed: to the trash, which is quick. Those
   * that somebody else has locked, and those that are gone, are left alone.
   */
  async trashDue(): Promise<void> {
    for (const machine of this.#context.changed) {
      const folder = machineFolderNamed(this.#context, machine);
      try {
        if (!(await mayBeDue(folder, await readMachine(folder), this.#clock()))) {
          continue;
        }
        const { records, chosen } = await this.#due(folder);
        if (!records.checkpoints.some(({ id }) => chosen.has(id)) || (await lockHolder(folder.lock)) !== undefined) {
          continue;
        }
        await changeMachine(this.#context, machine, 'prune', async (open) => {
          // Another may have been there in between.
          const { plan } = await planPruning(open.folder, open.records, this.#clock());
          const still = new Set(plan.deleted.map(({ id }) => id));
          const doomed = byCreation(open.records.checkpoints.filter(({ id }) => chosen.has(id) && still.has(id)));
          if (doomed.length > 0) {
            await deleteCheckpoints(this.#context, open, doomed);
          }
        });
      } catch (error) {
        this.#context.log.info(`What is due of ${folder.path} stays for now: ${String(error)}`);
      }
    }
  }

  async #due(folder: MachineFolder): Promise<{ at: Date; records: MachineRecords; chosen: ReadonlySet<string> }> {
    const at = this.#clock();
    const records = await readMachine(folder);
    return { at, records, chosen: await chooseDue(folder, records, await planPruning(folder, records, at), at) };
  }

  /** Puts on record that a machine was seen so; see `running-time.ts`. */
  async noteRunning(machine: string, state: 'running' | 'paused'): Promise<void> {
    const folder = machineFolderNamed(this.#context, machine);
    await sightMachine(this.#context, folder, () => Promise.resolve({ state }));
  }

  async space(
    { machine }: SpaceOperations['space']['params'],
    call: Call,
  ): Promise<SpaceOperations['space']['result']> {
    const { done, failed } = await this.#each(machine, call, async (folder) => ({
      ...machineSpace(path.basename(folder.path), await readLayerTree(folder, await readMachine(folder))),
      freeBytes: (await volumeOf(folder.path)).freeBytes,
    }));
    const running = await runningOf(
      this.#context,
      done.map((one) => one.machine),
    );
    const warnings = await this.#spaceWatch.glance(running);
    return { machines: done, failed, ...(warnings.length === 0 ? {} : { warnings }) };
  }

  async freeSpace(
    { machine, dryRun }: SpaceOperations['freeSpace']['params'],
    call: Call,
  ): Promise<SpaceOperations['freeSpace']['result']> {
    const isDryRun = dryRun === true;
    const { done, failed } = await this.#each(machine, call, (folder) => freeSpaceOf(this.#context, folder, isDryRun));
    const machines = done.filter((one) => one !== undefined);
    return { isDryRun, machines, freedBytes: machines.reduce((sum, { freedBytes }) => sum + freedBytes, 0), failed };
  }

  /** One that was named fails with its own error; of all, the others go on. */
  async #each<T>(
    reference: string | undefined,
    call: Call,
    act: (folder: MachineFolder) => Promise<T>,
  ): Promise<{ done: T[]; failed: Failed[] }> {
    if (reference !== undefined) {
      return { done: [await act(await findMachine(this.#context, reference))], failed: [] };
    }
    const done: T[] = [];
    const failed: Failed[] = [];
    for (const folder of await machineFolders(this.#context)) {
      call.signal?.throwIfAborted();
      try {
        done.push(await act(folder));
      } catch (error) {
        if (isAbort(error)) {
          throw error;
        }
        const { code, message } = toWireError(error);
        failed.push({ machine: path.basename(folder.path), code, message });
      }
    }
    return { done, failed };
  }
}
