import type { SavedMemory } from '../model/saved-memory.ts';
import type { LayerOfDisk, MachineDefinition } from '../model/machine.ts';
import type { HostId } from '../protocol/machines.ts';
import type { Saying, Sentence } from '../protocol/sentences.ts';
import type { ResumeStep } from '../protocol/resume-steps.ts';
import type { FirmwareContent } from '../store/firmware-folder.ts';
import type { MachineFolder } from '../store/machine-folder.ts';

/** Whether the host can run machines, and with what. */
export interface HostStatus {
  available: boolean;
  /** Why not, and what to do. */
  problem?: string;
  problemSentences?: Saying[];
  version?: string;
  accelerator?: string;
}

/** What a look at the machine's process shows. */
export interface Presence {
  state: 'stopped' | 'running' | 'paused';
  pid?: number;
  /** How the hypervisor ended, with its last words, when that was not cleanly; or what is wrong with it. */
  problem?: Sentence[];
  /** The guest's kernel has panicked, and the machine was not reset since; known of a machine whose guest can report it. */
  hasPanicked?: true;
  /** Absolute path of the log of a hypervisor that did not end cleanly. */
  log?: string;
}

export interface CaptureRequest {
  /** Called once while the guest stands still and its disks have been frozen. */
  whileStill?: () => Promise<void>;
  /** Layers that exist, empty, on top of the active ones. */
  newLayers: LayerOfDisk;
  /** Where to save memory, relative to the folder; absent for disks only. */
  memoryFile?: string;
  /** The guest's file systems are to be frozen meanwhile; not together with memory. */
  quiesce?: true;
  signal?: AbortSignal;
}

export interface Captured {
  /** How long the guest stood still. */
  pauseMs: number;
  /** From the beginning until everything was saved. */
  totalMs: number;
  /** Achieved by `quiesce`. */
  consistency?: 'file-system' | 'application';
  /** What is to be seen to in the guest. */
  problem?: Saying[];
  memory?: SavedMemory;
  /** Without memory, which has it: what the guest's console showed while it stood still. */
  console?: string;
}

/** What a guest that goes on is to be helped with, besides its clock. */
export interface Welcome {
  /** It has gone back in time: whether it has a device that tells it so. Absent when it only stood still. */
  hasGeneration?: boolean;
  /** A console was joined to it, and is to join again. */
  hadConsole?: boolean;
  /** Its addresses are to be asked for again (DHCP). */
  renewNetwork?: boolean;
}

/** How to reach the serial port of a running machine. */
export interface SerialPort {
  /** Socket that serves one client at a time. */
  socket: string;
  /** All that the guest has written since it started. */
  log: string;
}

/** A program to run in a guest. */
export interface GuestCommand {
  /** Program and arguments. */
  command: readonly string[];
  limitMs?: number;
  signal?: AbortSignal;
}

export interface GuestCommandEnd {
  exitCode?: number;
  /** How the system in the guest names it. */
  signal?: string;
  output: Buffer;
  errorOutput: Buffer;
  /** There was more output than the agent keeps. */
  isCutShort: boolean;
}

/** A machine with the layers that it runs on, or is to run on. */
export interface RunnableMachine {
  folder: MachineFolder;
  definition: MachineDefinition;
  layers: LayerOfDisk;
  /** Folder of its UEFI variables and TPM state, as in `Now`. */
  firmware?: string;
  /** As in `Now`. */
  generation?: string;
}

/** Two neighbouring layers of a disk of a running machine, which are to become one. */
export interface LiveMerge {
  disk: string;
  /** The layer that goes. */
  from: string;
  /** The one that has the content of both afterwards. */
  to: string;
  /** Whether `to` is the lower one of them (`ancestor`), or the upper one. */
  direction: 'ancestor' | 'child';
  /** The layer that goes is the active one. */
  isOfActive: boolean;
}

export interface LiveMergeRequest extends LiveMerge {
  /** Bytes a second, at most. */
  speed?: number;
  signal?: AbortSignal;
  onProgress?: (doneBytes: number, totalBytes: number) => void;
  /**
   * Called when the active layer goes, once both layers hold the same: the guest's writes to the disk wait until it has
   * returned, and then go to `to`.
   */
  whileWritesWait: () => Promise<void>;
}

/**
 * Where machines run. A host acts on one machine at a time, which its caller has locked and whose journal it has written;
 * when a call fails in the middle, `settle` brings the process back to what the records say.
 */
export interface Host {
  readonly id: HostId;
  readonly label: string;

  status(): Promise<HostStatus>;
  /**
   * UEFI variables and TPM state of a machine that has never run; none where it needs none.
   * @throws FirmwareNotFound, TpmNotFound, NotSupported
   */
  newFirmware(definition: MachineDefinition): Promise<FirmwareContent>;
  look(folder: MachineFolder): Promise<Presence>;
  /** Sees that the disks of a machine that is stopped may be changed. @throws DiskInUse, naming the program */
  requireUnused(machine: RunnableMachine): Promise<void>;

  /** Starts the machine as a process that outlives this one. @throws QemuNotFound, QemuFailed, ParentMismatch, DiskInUse */
  start(machine: RunnableMachine, signal?: AbortSignal): Promise<void>;
  /** Asks the guest to shut down, and waits. @throws GuestNotResponding */
  shutDown(folder: MachineFolder, timeoutMs: number, signal?: AbortSignal): Promise<void>;
  /** Ends the process at once. */
  powerOff(folder: MachineFolder): Promise<void>;
  /** Resets the machine, as its reset button would; it runs afterwards, unless its user had paused it. */
  reset(folder: MachineFolder): Promise<void>;
  pause(folder: MachineFolder): Promise<void>;
  resume(folder: MachineFolder): Promise<void>;
  serialPort(folder: MachineFolder): Promise<SerialPort | undefined>;
  /** True when somebody is joined to the serial port of the machine, which runs. */
  hasConsole(folder: MachineFolder): Promise<boolean>;
  /**
   * Sees that a guest that has stood still, or has come back with its memory, finds its way in the present. Never fails: each step
   * says what became of it.
   */
  welcomeBack(folder: MachineFolder, wanted: Welcome, signal?: AbortSignal): Promise<ResumeStep[]>;

  /**
   * Runs a program in the guest of a running machine, and waits for its end.
   * @throws MachineNotRunning, GuestNotResponding
   */
  execInGuest(folder: MachineFolder, command: GuestCommand): Promise<GuestCommandEnd>;

  /**
   * Freezes the active layers, goes on with the new ones, and saves memory, all of one instant. The guest runs on afterwards.
   * @throws GuestNotResponding when its file systems were to be frozen and cannot be; nothing was changed then
   */
  capture(machine: RunnableMachine, request: CaptureRequest): Promise<Captured>;
  /** Stops the guest and saves its memory; it stays stopped until `settle`. */
  hold(
    machine: RunnableMachine,
    memoryFile: string | undefined,
    signal?: AbortSignal,
  ): Promise<SavedMemory | undefined>;
  /** Checks that saved memory can be resumed here. @throws MemoryNotCompatible */
  checkMemory(definition: MachineDefinition, memory: SavedMemory): Promise<void>;
  /** Loads saved memory into a second process, which waits beside the first. @throws MemoryNotCompatible, QemuFailed */
  prepareSuccessor(machine: RunnableMachine, memory: SavedMemory, signal?: AbortSignal): Promise<void>;
  /**
   * Brings processes to what the records say; safe to repeat.
   * `stay`: the successor, if any, goes, and what ran before runs on if `run`.
   * `exchange`: what ran before ends, and the successor, if any, becomes the machine and runs if `run`.
   */
  settle(machine: RunnableMachine, outcome: 'stay' | 'exchange', run: boolean): Promise<void>;
  /** Sees that a guest's file systems are not frozen, after somebody died who may have done so. @throws GuestNotResponding */
  thaw(folder: MachineFolder): Promise<void>;
  /**
   * Merges two layers that the running machine has open; `endMerge` is to follow, whatever becomes of it.
   * @throws QemuFailed, NotEnoughSpace, GuestTooBusy, QmpTimeout, MachineNotRunning, and the signal's reason
   */
  mergeLive(machine: RunnableMachine, request: LiveMergeRequest): Promise<void>;
  /**
   * Ends what is left of a merge, whoever began it; safe to repeat.
   * @param isDecided what only waits to be put in force is to be, and else to be undone
   * @returns whether the machine runs without the layer that goes; undefined when it does not run
   */
  endMerge(machine: RunnableMachine, merge: LiveMerge, isDecided: boolean): Promise<boolean | undefined>;
  /** True when the running machine writes to exactly these layers. */
  runsOn(folder: MachineFolder, layers: LayerOfDisk): Promise<boolean>;
}
