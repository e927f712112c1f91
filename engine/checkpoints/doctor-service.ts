import { stat } from 'node:fs/promises';
import path from 'node:path';
import { CheckpointError, isAbort } from '../model/checkpoint-error.ts';
import { say, sayError } from '../model/sayings.ts';
import type { DoctorOperations, Finding } from '../protocol/doctor.ts';
import type { MachineFolder } from '../store/machine-folder.ts';
import { lockedError, withLock } from '../store/machine-lock.ts';
import type { Call, EngineContext } from './engine-context.ts';
import { examineMachine, remember, type Patient } from './examine-machine.ts';
import { finding, notLookedAt } from './findings.ts';
import { examineHome } from './examine-home.ts';
import { machineFolders } from './machine-folders.ts';
import { findMachine } from './open-machine.ts';
import { repairMachine } from './repair-machine.ts';
import { lookWhileStill } from './still-look.ts';

type DoctorParams = DoctorOperations['doctor']['params'];

/**
 * Looks machines over, and mends, where asked, what can be mended without losing anything; once for all faces. A look locks
 * nothing and changes nothing: whoever works on a machine neither waits for it nor is taken for a fault.
 */
export class DoctorService {
  readonly #context: EngineContext;

  constructor(context: EngineContext) {
    this.#context = context;
  }

  async doctor(params: DoctorParams, call: Call): Promise<DoctorOperations['doctor']['result']> {
    const context = this.#context;
    const all = params.machine === undefined;
    const folders = all ? await machineFolders(context) : [await findMachine(context, params.machine ?? '')];
    const machines: DoctorOperations['doctor']['result']['machines'] = [];
    for (const folder of folders) {
      call.signal?.throwIfAborted();
      const machine = path.basename(folder.path);
      call.report?.(`Examining “${machine}”`);
      machines.push({ machine, findings: await this.#machine(folder, params, call) });
    }
    const home = all ? await examineHome(context, params.repair === true) : [];
    const isSound = [...home, ...machines.flatMap(({ findings }) => findings)].every(
      ({ severity, isRepaired }) => severity === 'info' || isRepaired,
    );
    return { machines, home, isSound };
  }

  async #machine(folder: MachineFolder, params: DoctorParams, call: Call): Promise<Finding[]> {
    try {
      folder.requireReachable();
      return params.repair === true || params.acceptChanged === true
        ? await this.#locked(folder, (patient) => repairMachine(this.#context, patient, params, call), params, call)
        : await this.#passing(folder, params, call);
    } catch (error) {
      if (isAbort(error)) {
        throw error;
      }
      const saying = sayError(error);
      if (error instanceof CheckpointError && ['MachineNotReachable', 'HomeNotReachable'].includes(error.code)) {
        return [finding('record', 'warning', folder.path, saying)];
      }
      if (error instanceof CheckpointError && error.code === 'Locked') {
        return [notLookedAt(folder.path, saying)];
      }
      // It may have been removed meanwhile.
      return (await isThere(folder.path)) ? [finding('record', 'error', folder.path, saying)] : [];
    }
  }

  async #passing(folder: MachineFolder, { deep }: DoctorParams, call: Call): Promise<Finding[]> {
    const look = (isDeep: boolean): Promise<Patient> => examineMachine(this.#context, folder, isDeep, call);
    const looked = await lookWhileStill(folder, () => look(deep === true), deep === true ? 'once' : 'again');
    if ('seen' in looked) {
      await remember(this.#context, looked.seen);
      return looked.seen.findings;
    }
    const machine = path.basename(folder.path);
    const busy = notLookedAt(folder.path, sayError(lockedError(`Machine “${machine}”`, looked.busy)));
    if (deep !== true) {
      return [busy];
    }
    const again = await lookWhileStill(folder, () => look(false));
    const note = notLookedAt(folder.path, say('changedWhileRead', { machine }));
    return 'seen' in again ? [...again.seen.findings, note] : [busy];
  }

  #locked(
    folder: MachineFolder,
    act: (patient: Patient) => Promise<Finding[]>,
    { deep }: DoctorParams,
    call: Call,
  ): Promise<Finding[]> {
    return withLock(
      folder.lock,
      `Machine “${path.basename(folder.path)}”`,
      { operation: 'doctor', face: this.#context.face },
      async () => act(await examineMachine(this.#context, folder, deep === true, call)),
    );
  }
}

async function isThere(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}
