import { z } from 'zod';
import type { SavedMemory } from '../../model/saved-memory.ts';
import { CheckpointError } from '../../model/checkpoint-error.ts';
import { sayError, shownProblem } from '../../model/sayings.ts';
import type { LayerOfDisk, MachineDefinition } from '../../model/machine.ts';
import type { Home } from '../../store/home.ts';
import { variablesFile, type FirmwareContent } from '../../store/firmware-folder.ts';
import type { MachineFolder } from '../../store/machine-folder.ts';
import type { ProcessRole } from '../../store/process-records.ts';
import type { ResumeStep } from '../../protocol/resume-steps.ts';
import type {
  Captured,
  CaptureRequest,
  GuestCommand,
  GuestCommandEnd,
  Host,
  HostStatus,
  LiveMerge,
  LiveMergeRequest,
  Presence,
  RunnableMachine,
  SerialPort,
  Welcome,
} from '../host.ts';
import { workingAccelerator, type Accelerator } from './accelerator.ts';
import { capture, hold } from './capture.ts';
import { commandLine } from './command-line.ts';
import { rememberConsole } from './console-log.ts';
import { nodeName, readChain, resolveChains } from './disk-chains.ts';
import { thaw } from './file-system-freeze.ts';
import { execInGuest } from './guest-exec.ts';
import { findQemu, type QemuInstallation } from './installation.ts';
import { endMerge, mergeInChain } from './live-merge.ts';
import { endMigration, leaveMigration } from './memory-capture.ts';
import { loadVerified } from './memory-source.ts';
import { requireLiving, withCurrent, withMonitor } from './monitor.ts';
import { endProcess, incomingMemory, launch, livingProcess, runState, type MemorySource } from './qemu-process.ts';
import { reset, shutDown } from './power.ts';
import { look } from './presence.ts';
import { firmwareFile, uefiFor } from './machine-firmware.ts';
import { identityOf, requireCompatible } from './memory-compatibility.ts';
import { requireSwtpm } from './tpm-process.ts';
import { findUefi, newVariables } from './uefi.ts';
import { createSocketsFolder, socketsIn } from './sockets-folder.ts';
import { hasConsole, welcomeBack } from './welcome-back.ts';

const blockAnswer = z.array(
  z.object({ qdev: z.string().optional(), inserted: z.object({ 'node-name': z.string().optional() }).optional() }),
);

const agentLimitMs = 3000;

/** Machines run by the QEMU of this computer, each as a process of its own that outlives us. */
export class QemuHost implements Host {
  readonly id = 'qemu';
  readonly label = 'Local (QEMU)';
  readonly #probes: string;
  readonly #answers: string;
  #installation: Promise<QemuInstallation> | undefined;
  #accelerator: Accelerator | undefined;

  /** @param home keeps what was found out about this computer */
  constructor(home: Pick<Home, 'probes' | 'qemuAnswers'>) {
    this.#probes = home.probes;
    this.#answers = home.qemuAnswers;
  }

  /** @throws QemuNotFound; a failed search is repeated next time, since the user may install it meanwhile */
  installation(): Promise<QemuInstallation> {
    if (this.#installation === undefined) {
      const search = process.platform === 'win32' ? Promise.reject(notOnWindows()) : findQemu(this.#answers);
      this.#installation = search;
      search.catch(() => {
        this.#installation = undefined;
      });
    }
    return this.#installation;
  }

  async status(): Promise<HostStatus> {
    try {
      const { version } = await this.installation();
      return {
        available: true,
        version,
        ...(this.#accelerator === undefined ? {} : { accelerator: this.#accelerator }),
      };
    } catch (error) {
      return error instanceof CheckpointError
        ? { available: false, ...shownProblem([sayError(error)]) }
        : { available: false, problem: error instanceof Error ? error.message : String(error) };
    }
  }

  async newFirmware(definition: MachineDefinition): Promise<FirmwareContent> {
    if (definition.tpm === true) {
      await requireSwtpm();
    }
    if (definition.firmware !== 'uefi') {
      return [];
    }
    const content = await newVariables(await findUefi(await this.installation()));
    return [{ name: variablesFile, content }];
  }

  look(folder: MachineFolder): Promise<Presence> {
    return look(folder);
  }

  /** QEMU's own locks on its files say so when it is started. */
  requireUnused(): Promise<void> {
    return Promise.resolve();
  }

  async start(machine: RunnableMachine, signal?: AbortSignal): Promise<void> {
    await endProcess(machine.folder, 'current');
    await this.#launch(machine, 'current', undefined, signal);
    await this.resume(machine.folder);
  }

  async #launch(
    machine: RunnableMachine,
    role: ProcessRole,
    memory: MemorySource | undefined,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { folder, definition } = machine;
    const qemu = await this.installation();
    const accelerator = await this.#workingAccelerator(qemu, signal);
    const chains = await resolveChains(machine);
    const sockets = await createSocketsFolder(folder.runFolder);
    const boot = definition.directBoot;
    const variables = firmwareFile(machine, variablesFile);
    const uefi = definition.firmware === 'uefi' ? await uefiFor(qemu, variables) : undefined;
    const incoming = memory === undefined ? undefined : incomingMemory(memory, qemu.version);
    const args = commandLine({
      definition,
      machineType: qemu.machineType,
      accelerator,
      chains,
      sockets,
      ...(boot === undefined
        ? {}
        : {
            directBoot: {
              kernel: folder.inner(boot.kernel),
              ...(boot.initrd === undefined ? {} : { initrd: folder.inner(boot.initrd) }),
              commandLine: boot.commandLine,
            },
          }),
      ...(uefi === undefined ? {} : { uefi: { ...uefi, variables } }),
      ...(machine.generation === undefined ? {} : { generation: machine.generation }),
      ...(incoming === undefined ? {} : { incoming: incoming.way }),
    });
    await launch(folder, role, {
      emulator: qemu.emulator,
      args,
      sockets,
      hypervisor: identityOf(qemu, accelerator, definition),
      ...(definition.tpm === true ? { tpmState: firmwareFile(machine) } : {}),
      ...(incoming === undefined ? {} : { memory: incoming }),
      ...(signal === undefined ? {} : { signal }),
    });
  }

  async #workingAccelerator(qemu: QemuInstallation, signal?: AbortSignal): Promise<Accelerator> {
    this.#accelerator ??= await workingAccelerator(qemu, this.#probes, signal);
    return this.#accelerator;
  }

  async execInGuest(folder: MachineFolder, command: GuestCommand): Promise<GuestCommandEnd> {
    const living = await requireLiving(folder);
    return execInGuest(socketsIn(living.socketsFolder).agent, command);
  }

  async shutDown(folder: MachineFolder, timeoutMs: number, signal?: AbortSignal): Promise<void> {
    await shutDown(folder, timeoutMs, signal);
    await endProcess(folder, 'current');
  }

  async powerOff(folder: MachineFolder): Promise<void> {
    await endProcess(folder, 'current');
  }

  async reset(folder: MachineFolder): Promise<void> {
    await withCurrent(folder, reset);
  }

  async pause(folder: MachineFolder): Promise<void> {
    await withCurrent(folder, (monitor) => monitor.execute('stop'));
  }

  async resume(folder: MachineFolder): Promise<void> {
    await withCurrent(folder, (monitor) => monitor.execute('cont'));
  }

  async serialPort(folder: MachineFolder): Promise<SerialPort | undefined> {
    const living = await livingProcess(folder, 'current');
    if (living === undefined) {
      return undefined;
    }
    const sockets = socketsIn(living.socketsFolder);
    return { socket: sockets.serial, log: sockets.serialLog };
  }

  async hasConsole(folder: MachineFolder): Promise<boolean> {
    const living = await livingProcess(folder, 'current');
    return living !== undefined && (await hasConsole(living.socketsFolder));
  }

  async welcomeBack(folder: MachineFolder, wanted: Welcome, signal?: AbortSignal): Promise<ResumeStep[]> {
    const living = await livingProcess(folder, 'current');
    return living === undefined ? [] : welcomeBack(living.socketsFolder, wanted, signal);
  }

  capture(machine: RunnableMachine, request: CaptureRequest): Promise<Captured> {
    return capture(machine, request);
  }

  hold(
    machine: RunnableMachine,
    memoryFile: string | undefined,
    signal?: AbortSignal,
  ): Promise<SavedMemory | undefined> {
    return hold(machine, memoryFile, signal);
  }

  async checkMemory(definition: MachineDefinition, memory: SavedMemory): Promise<void> {
    const qemu = await this.installation();
    const here = identityOf(qemu, await this.#workingAccelerator(qemu), definition);
    requireCompatible(memory.hypervisor, here);
  }

  async prepareSuccessor(machine: RunnableMachine, memory: SavedMemory, signal?: AbortSignal): Promise<void> {
    try {
      // The guest stands still until its memory has proved to be what was saved.
      await loadVerified(
        machine.folder.inner(memory.file),
        memory,
        (incoming) => this.#launch(machine, 'successor', incoming, signal),
        signal,
      );
      await rememberConsole(machine.folder, memory.console);
    } catch (error) {
      await endProcess(machine.folder, 'successor');
      throw error;
    }
  }

  async settle(machine: RunnableMachine, outcome: 'stay' | 'exchange', run: boolean): Promise<void> {
    const { folder } = machine;
    if (outcome === 'stay') {
      await endProcess(folder, 'successor');
    } else if ((await folder.processes.read('successor')) !== undefined) {
      if (run) {
        await this.#letSuccessorRun(folder);
      }
      await endProcess(folder, 'current');
      await folder.processes.promoteSuccessor();
    } else if (!(await this.runsOn(folder, machine.layers))) {
      await endProcess(folder, 'current');
    }
    const living = await livingProcess(folder, 'current');
    if (living !== undefined) {
      await withMonitor(living.socketsFolder, async (monitor) => {
        if ((await runState(monitor)) === 'finish-migrate' || outcome === 'stay') {
          await endMigration(monitor);
        }
        await (run ? monitor.execute('cont') : leaveMigration(monitor));
      });
    }
  }

  /** What ran before stands still and has no say any more: that it takes its time to end is no reason to wait. */
  async #letSuccessorRun(folder: MachineFolder): Promise<void> {
    const living = await livingProcess(folder, 'successor');
    if (living !== undefined) {
      await withMonitor(living.socketsFolder, (monitor) => monitor.execute('cont'));
    }
  }

  async thaw(folder: MachineFolder): Promise<void> {
    const living = await livingProcess(folder, 'current');
    if (living !== undefined) {
      await thaw(socketsIn(living.socketsFolder).agent, agentLimitMs);
    }
  }

  async mergeLive(machine: RunnableMachine, request: LiveMergeRequest): Promise<void> {
    const living = await requireLiving(machine.folder);
    const chain = await readChain(machine, request.disk);
    await withMonitor(living.socketsFolder, (monitor) => mergeInChain(monitor, chain, request));
  }

  async endMerge(machine: RunnableMachine, merge: LiveMerge, isDecided: boolean): Promise<boolean | undefined> {
    const living = await livingProcess(machine.folder, 'current');
    if (living === undefined) {
      return undefined;
    }
    const chain = await readChain(machine, merge.disk);
    return withMonitor(living.socketsFolder, (monitor) => endMerge(monitor, chain, merge, isDecided));
  }

  async runsOn(folder: MachineFolder, layers: LayerOfDisk): Promise<boolean> {
    const living = await livingProcess(folder, 'current');
    if (living === undefined) {
      return false;
    }
    const blocks = await withMonitor(living.socketsFolder, (monitor) => monitor.query('query-block', blockAnswer));
    const active = new Set(blocks.map((block) => block.inserted?.['node-name']));
    return Object.values(layers).every((layer) => active.has(nodeName(layer)));
  }
}

function notOnWindows(): CheckpointError {
  return new CheckpointError(
    'QemuNotFound',
    "Running machines is not possible on Windows yet: QEMU's control sockets cannot be reached from here. Use WSL, where the extension runs as on Linux.",
  );
}
