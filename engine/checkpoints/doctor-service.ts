import { randomUUID } from 'node:crypto';
import { mkdir, rename, stat } from 'node:fs/promises';
import path from 'node:path';
import { CheckpointError, isAbort, toWireError } from '../model/checkpoint-error.ts';
import type { DoctorOperations, Finding } from '../protocol/doctor.ts';
import { syncFolder } from '../store/atomic-file.ts';
import type { MachineFolder, MachineRecords } from '../store/machine-folder.ts';
import { withLock } from '../store/machine-lock.ts';
import { readPolicy } from '../store/policy-record.ts';
import { hostOf, type Call, type EngineContext } from './engine-context.ts';
import { examine, fault, type Examination } from './examine.ts';
import { readMachine } from './locked-machine.ts';
import { findMachine, machineFolders } from './open-machine.ts';
import { recover } from './recover.ts';

type DoctorParams = DoctorOperations['doctor']['params'];

/** Looks machines over, and mends what can be mended without losing anything; once for all faces. */
export class DoctorService {
  readonly #context: EngineContext;

  constructor(context: EngineContext) {
    this.#context = context;
  }

  async doctor(params: DoctorParams, call: Call): Promise<DoctorOperations['doctor']['result']> {
    const all = params.machine === undefined;
    const folders = all
      ? await machineFolders(this.#context)
      : [await findMachine(this.#context, params.machine ?? '')];
    const machines: DoctorOperations['doctor']['result']['machines'] = [];
    for (const folder of folders) {
      call.signal?.throwIfAborted();
      const machine = path.basename(folder.path);
      call.report?.(`Examining “${machine}”`);
      machines.push({ machine, findings: await this.#machine(folder, params, call) });
    }
    const isSound = machines.every(({ findings }) =>
      findings.every(({ severity, isRepaired }) => severity === 'info' || isRepaired),
    );
    return { machines, isSound };
  }

  async #machine(folder: MachineFolder, params: DoctorParams, call: Call): Promise<Finding[]> {
    try {
      return await withLock(
        folder.lock,
        `Machine “${path.basename(folder.path)}”`,
        { operation: 'doctor', face: this.#context.face },
        () => this.#locked(folder, params, call),
      );
    } catch (error) {
      if (isAbort(error)) {
        throw error;
      }
      const { message } = toWireError(error);
      const isBusy = error instanceof CheckpointError && error.code === 'Locked';
      return isBusy ? [notLookedAt(folder.path, message)] : [fault('record', folder.path, message)];
    }
  }

  async #locked(folder: MachineFolder, params: DoctorParams, call: Call): Promise<Finding[]> {
    const records = await readMachine(folder);
    try {
      await folder.removeTemporaries();
      await recover(this.#context, folder);
    } catch (error) {
      const message = `What an interrupted operation left cannot be ended: ${toWireError(error).message}`;
      return [fault('journal', folder.inner('journal.json'), message)];
    }
    return this.#whole(folder, await readMachine(folder).catch(() => records), params, call);
  }

  async #whole(folder: MachineFolder, records: MachineRecords, params: DoctorParams, call: Call): Promise<Finding[]> {
    const presence = await hostOf(this.#context, records.definition).look(folder);
    const isUp = presence.state !== 'stopped';
    const examined = await examine(folder, records, isUp, params.deep === true, call);
    const findings = [...examined.findings];
    await readPolicy(folder.path).catch((error: unknown) =>
      findings.push(fault('record', folder.inner('policy.json'), toWireError(error).message)),
    );
    if (isUp) {
      const message = 'The machine runs, so what it writes to was not looked at. Stop it and look again.';
      findings.push(notLookedAt(folder.path, message));
    }
    findings.push(...(await this.#orphans(folder, examined, params)));
    findings.push(...(await this.#sameId(folder, records, isUp, params)));
    findings.push(...(await reserve(folder, params)));
    return this.#remember(folder, examined, findings, params);
  }

  async #orphans(folder: MachineFolder, { orphans }: Examination, { repair }: DoctorParams): Promise<Finding[]> {
    if (orphans === undefined) {
      return [notLookedAt(folder.path, 'With a broken chain it cannot be told which files nothing needs.')];
    }
    const date = new Date().toISOString().replace(/:/g, '-');
    const place = path.join(this.#context.home.root, 'lost+found', path.basename(folder.path), date);
    const findings: Finding[] = [];
    for (const file of orphans) {
      const finding: Finding = {
        code: 'orphan',
        severity: 'warning',
        path: file,
        message: `Nothing names the file ${file}. With --repair it is moved to lost+found, beside the machines.`,
        isRepaired: false,
      };
      if (repair === true) {
        const target = path.join(place, path.basename(path.dirname(file)), path.basename(file));
        try {
          await mkdir(path.dirname(target), { recursive: true, mode: 0o700 });
          await rename(file, target);
          await syncFolder(path.dirname(target));
          await syncFolder(path.dirname(file));
          Object.assign(finding, { isRepaired: true, message: `Nothing named the file ${file}: it is now ${target}.` });
        } catch (error) {
          finding.message = `Nothing names the file ${file}, and it could not be moved to ${target}: ${toWireError(error).message}`;
        }
      }
      findings.push(finding);
    }
    return findings;
  }

  /** A new id only for one that was named: which of two is the copy, nobody but the user knows. */
  async #sameId(
    folder: MachineFolder,
    { definition, clones }: MachineRecords,
    isUp: boolean,
    { machine, repair }: DoctorParams,
  ): Promise<Finding[]> {
    for (const other of await machineFolders(this.#context)) {
      const found = other.path === folder.path ? undefined : await other.read().catch(() => undefined);
      if (found?.definition.id === definition.id) {
        const isRepaired = repair === true && machine !== undefined && !isUp && clones.length === 0;
        if (isRepaired) {
          await folder.writeDefinition({ ...definition, id: randomUUID() });
        }
        const advice = isRepaired
          ? 'It has a new one now.'
          : `Give the copy a new one: stop it, then ckpt doctor NAME --repair.`;
        const message = `Machine “${definition.name}” has the id of “${path.basename(other.path)}”: its folder was copied. ${advice}`;
        return [{ ...fault('sameId', folder.inner('machine.json'), message), isRepaired }];
      }
    }
    return [];
  }

  async #remember(
    folder: MachineFolder,
    { frozen, changed, orphans }: Examination,
    findings: Finding[],
    { deep, acceptChanged }: DoctorParams,
  ): Promise<Finding[]> {
    const isAccepted = acceptChanged === true && orphans !== undefined;
    if (deep === true || (isAccepted && Object.keys(changed).length > 0)) {
      await folder.writeFrozen({ ...frozen, ...(isAccepted ? changed : {}) });
    }
    return findings.map((one) =>
      one.code === 'changed' && isAccepted
        ? { ...one, isRepaired: true, message: `The layer ${one.path} had been changed, and is accepted as it is.` }
        : one,
    );
  }
}

async function reserve(folder: MachineFolder, { repair }: DoctorParams): Promise<Finding[]> {
  const file = folder.inner('reserve');
  const isThere = (): Promise<boolean> =>
    stat(file).then(
      ({ size }) => size > 0,
      () => false,
    );
  if (await isThere()) {
    return [];
  }
  if (repair === true) {
    await folder.keepReserve();
  }
  const isRepaired = await isThere();
  const message = 'No space is set aside for deleting something on a full volume. With --repair it is.';
  return [{ code: 'reserve', severity: 'warning', path: file, message, isRepaired }];
}

function notLookedAt(file: string, message: string): Finding {
  return { code: 'notLookedAt', severity: 'info', path: file, message, isRepaired: false };
}
