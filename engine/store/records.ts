import path from 'node:path';
import { z } from 'zod';
import type { Checkpoint, TrashedCheckpoint } from '../model/checkpoint.ts';
import { longestPicture } from '../model/console-picture.ts';
import type { MachineDefinition, Now } from '../model/machine.ts';
import type { SavedMemory } from '../model/saved-memory.ts';
import type { GuardInfo } from '../protocol/guard-info.ts';

/** Version of the records below. A newer one is refused, never guessed at. */
export const recordVersion = 1;

const version = z.literal(recordVersion);
const time = z.iso.datetime();
const id = z.string().regex(/^[0-9a-f-]{8,64}$/);
const diskId = z.string().regex(/^disk[0-9]{1,3}$/);

/** Files in a folder of UEFI variables and TPM state; swtpm chooses the names of its own (swtpm(8), `--tpmstate`). */
export const firmwareFileName = /^(?:variables\.fd|tpm2-00\.[a-z]{1,32})$/;

/** A path inside the machine's folder: forward slashes, no way out. */
const innerPath = z
  .string()
  .max(255)
  .regex(/^(?:[A-Za-z0-9_-][A-Za-z0-9._-]*\/)*[A-Za-z0-9_-][A-Za-z0-9._-]*$/);

/** A file beside another, whose name people chose. */
const fileName = z
  .string()
  .min(1)
  .max(255)
  // eslint-disable-next-line no-control-regex -- no file of ours has one in its name
  .regex(/^(?!\.{1,2}$)[^/\\:\u0000-\u001f]+$/);

/** A folder of one point's UEFI variables and TPM state. */
const firmwareFolder = z.string().regex(/^firmware\/[0-9a-f]{8}$/);

const layerOfDisk = z.record(diskId, z.union([innerPath, fileName]));
const sizeBytes = z.int().min(0);

const disk = z.strictObject({
  id: diskId,
  virtualSizeBytes: sizeBytes,
  format: z.enum(['raw', 'vhd', 'vhdx', 'qcow2', 'vmdk']).exactOptional(),
  place: z.string().min(1).max(4096).exactOptional(),
  base: innerPath.exactOptional(),
  externalBase: z
    .strictObject({
      path: z.string().max(4096),
      format: z.enum(['raw', 'vhd', 'vhdx', 'qcow2', 'vmdk']),
      sizeBytes,
      modifiedMs: sizeBytes,
      isChain: z.boolean().exactOptional(),
      chainFolders: z.array(z.string().max(4096)).max(1024).exactOptional(),
    })
    .exactOptional(),
});

const definition = z.strictObject({
  id,
  name: z.string().min(1).max(200),
  host: z.enum(['qemu', 'disks']),
  created: time,
  group: z.string().min(1).max(200).exactOptional(),
  memoryMiB: z
    .int()
    .min(1)
    .max(16 * 1024 * 1024)
    .exactOptional(),
  cpus: z.int().min(1).max(4096).exactOptional(),
  macAddress: z
    .string()
    .regex(/^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/)
    .exactOptional(),
  firmware: z.enum(['bios', 'uefi']).exactOptional(),
  tpm: z.boolean().exactOptional(),
  hasGeneration: z.boolean().exactOptional(),
  hasPanicDevice: z.boolean().exactOptional(),
  disks: z.array(disk).min(1).max(64),
  directBoot: z
    .strictObject({ kernel: innerPath, initrd: innerPath.exactOptional(), commandLine: z.string().max(4096) })
    .exactOptional(),
}) satisfies z.ZodType<MachineDefinition>;

export const machineRecord = z.strictObject({ version, ...definition.shape });

const hypervisor = z.strictObject({
  version: z.string(),
  accelerator: z.string(),
  processor: z.string().exactOptional(),
  guestArguments: z.array(z.string()),
});

const consolePicture = z.string().max(longestPicture);

const savedMemory = z.strictObject({
  file: innerPath,
  sizeBytes,
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .exactOptional(),
  packedBytes: sizeBytes.exactOptional(),
  isPackable: z.literal(false).exactOptional(),
  method: z.enum(['background-snapshot', 'pause-before-switchover', 'stopped']).exactOptional(),
  wasPaused: z.boolean(),
  wasSaved: z.literal(true).exactOptional(),
  console: consolePicture.exactOptional(),
  hypervisor,
}) satisfies z.ZodType<SavedMemory>;

const now = z.strictObject({
  parent: id.exactOptional(),
  activeLayers: layerOfDisk,
  firmware: firmwareFolder.exactOptional(),
  generation: z.uuid().exactOptional(),
  memory: savedMemory.exactOptional(),
  undo: id.exactOptional(),
  redo: id.exactOptional(),
}) satisfies z.ZodType<Now>;
export const nowRecord = z.strictObject({ version, ...now.shape });

const guard = z.strictObject({
  command: z.array(z.string().max(100_000)).min(1).max(10_000),
  where: z.enum(['here', 'guest']),
  process: z.strictObject({ pid: z.int().positive(), identity: z.string().exactOptional() }),
  end: z
    .strictObject({
      at: time,
      outcome: z.enum(['kept', 'reverted']),
      exitCode: z.int().exactOptional(),
      signal: z.string().max(100).exactOptional(),
    })
    .exactOptional(),
}) satisfies z.ZodType<GuardInfo>;

const checkpoint = z.strictObject({
  id,
  parent: id.exactOptional(),
  name: z.string().min(1).max(200),
  notes: z.string().max(100_000).exactOptional(),
  created: time,
  createdBy: z.enum(['person', 'task', 'debug', 'agent', 'guard', 'apply', 'undo', 'redo']),
  consistency: z.enum(['application', 'file-system', 'crash', 'offline']),
  layers: layerOfDisk,
  definition,
  memory: savedMemory.exactOptional(),
  console: consolePicture.exactOptional(),
  firmware: z
    .strictObject({
      folder: firmwareFolder,
      files: z
        .array(z.strictObject({ name: z.string().regex(firmwareFileName), sizeBytes, sha256: z.string() }))
        .max(16),
    })
    .exactOptional(),
  pauseMs: z.number().min(0).exactOptional(),
  totalMs: z.number().min(0).exactOptional(),
  runningSeconds: z.int().min(0).exactOptional(),
  expires: time.exactOptional(),
  pinned: z.boolean().exactOptional(),
  colour: z.enum(['red', 'orange', 'yellow', 'green', 'blue', 'purple']).exactOptional(),
  group: id.exactOptional(),
  undo: id.exactOptional(),
  redo: id.exactOptional(),
  guard: guard.exactOptional(),
  guardOf: id.exactOptional(),
  git: z.strictObject({ branch: z.string().exactOptional(), commit: z.string() }).exactOptional(),
}) satisfies z.ZodType<Checkpoint>;
export const checkpointRecord = z.strictObject({ version, ...checkpoint.shape });

/** One checkpoint that was exported: an image of each disk, and what else it holds, but for its memory. */
export const exportedDisksRecord = z.strictObject({
  version,
  kind: z.literal('disks of a checkpoint'),
  definition,
  checkpoint: checkpoint.pick({ name: true, notes: true, created: true, createdBy: true, consistency: true }),
  firmware: checkpoint.shape.firmware,
  /** Format and name, beside this record, of the image of each disk of the definition. */
  disks: z
    .array(z.strictObject({ id: diskId, file: fileName, format: disk.shape.format.unwrap() }))
    .min(1)
    .max(64),
});
export type ExportedDisks = z.output<typeof exportedDisksRecord>;

const trashed = z.object({
  checkpoint,
  deleted: time,
  expires: time,
}) satisfies z.ZodType<TrashedCheckpoint>;
export const trashedRecord = z.object({ version, ...trashed.shape });

/** A linked clone: a machine of the same home whose disks stand on frozen layers of this one. */
export const cloneRecord = z.strictObject({
  version,
  machine: id,
  name: z.string().min(1).max(200),
  layers: layerOfDisk,
});
export type CloneRecord = Omit<z.output<typeof cloneRecord>, 'version'>;

/** Files outside of a machine's folder that go with it when it is removed, by absolute path. */
export const removedFilesRecord = z.strictObject({ version, files: z.array(z.string().max(4096)) });

/** What a frozen layer's file looked like when it was last right, by layer. */
export const frozenRecord = z.strictObject({
  version,
  layers: z.record(
    z.string(),
    z.strictObject({
      sizeBytes,
      modifiedMs: sizeBytes,
      /** Which file it was: a copy has another number. */
      inode: z.string(),
      /** Of samples of its content (SHA-256); see `frozen-layers.ts`. */
      fingerprint: z.string(),
      /** Of its whole content (SHA-256), where that was asked for. */
      sha256: z.string().exactOptional(),
    }),
  ),
});
export type FrozenRecord = z.output<typeof frozenRecord>;

/** What an operation is about to make, so that the next engine can tell what a dead one left behind. */
export const journalRecord = z.strictObject({
  version,
  operation: z.enum([
    'take',
    'apply',
    'undo',
    'redo',
    'delete',
    'restore',
    'discard',
    'relink',
    'merge',
    'export',
    'save',
    'start',
    'discard-state',
    'pack',
  ]),
  started: time,
  /** Checkpoint that is being made of Now (absent when Now is discarded), or deleted. */
  checkpoint: id.exactOptional(),
  /** Now as it will be. */
  after: now,
  /** True when its layers exist already: undo makes layers active again that had been frozen. */
  reusesLayers: z.boolean(),
  /** The guest ran before, so it has to run on when the operation is undone. */
  wasRunning: z.boolean(),
  /** The guest has to run when the operation has happened. */
  runsAfterwards: z.boolean(),
  /** The machine's definition once the operation has happened; absent when it stays. */
  definition: definition.exactOptional(),
  memoryFile: innerPath.exactOptional(),
  /** Of a start: what it resumes. */
  resumes: savedMemory.exactOptional(),
  /** The guest's file systems may be frozen. */
  quiesces: z.literal(true).exactOptional(),
  /** What the operation, once it has happened, leaves without a use. */
  releasedLayers: z.array(innerPath),
  releasedCheckpoint: id.exactOptional(),
  releasedMemoryFile: innerPath.exactOptional(),
  alsoReleasedMemoryFile: innerPath.exactOptional(),
  /** Folders of UEFI variables and TPM state that it makes, and those that it leaves without a use. */
  madeFirmware: z.array(firmwareFolder).exactOptional(),
  releasedFirmware: z.array(firmwareFolder).exactOptional(),
  /** Of a delete, a restore or a discard: the checkpoints in the trash, as they will be or are. */
  trashed: z.array(trashed).exactOptional(),
  /** Of a restore: the checkpoints that hang from it afterwards. */
  children: z.array(id).exactOptional(),
  /** Of a delete: not only into the trash. */
  isForGood: z.literal(true).exactOptional(),
  /**
   * Of a merge whose data has moved: the layer that goes, and the one that has its content now. Of a merge that the
   * hypervisor carries out in a running machine: the same, once it has.
   */
  relink: z
    .strictObject({ disk: diskId, from: z.string(), to: z.string(), direction: z.enum(['ancestor', 'child']) })
    .exactOptional(),
  /** Of an export: where its folder is until it is whole. Nothing but such a folder is removed for a record's sake. */
  partialFolder: z
    .string()
    .refine((place) => path.resolve(place) === place && /^\..*\.[0-9a-f]{8}\.partial$/s.test(path.basename(place)))
    .exactOptional(),
});
export type JournalRecord = z.output<typeof journalRecord>;

/** What is to happen to several machines together, so that it happens to all of them or to none. */
export const groupRecord = z.strictObject({
  version,
  /** That of the group. */
  id,
  operation: z.enum(['take', 'apply', 'delete']),
  started: time,
  /** `back`: it failed on one machine, and is being undone on the others. */
  direction: z.enum(['forward', 'back']),
  /** Those that are not settled yet. */
  members: z
    .array(
      z.strictObject({
        /** Id and name of the machine. */
        machine: id,
        name: z.string().min(1).max(255),
        /** Now as it was before. */
        before: now,
        /** Checkpoint to be applied or deleted. */
        checkpoint: id.exactOptional(),
      }),
    )
    .min(1)
    .max(1000),
});
export type GroupRecord = Omit<z.output<typeof groupRecord>, 'version'>;
export type GroupMemberRecord = GroupRecord['members'][number];

/** The hypervisor's process, as whoever started it found it. */
export const processRecord = z.strictObject({
  version,
  /** Absent while it is being started. */
  pid: z.int().positive().exactOptional(),
  /** Tells a process from a later one with the same number; see `process-identity.ts`. */
  identity: z.string().exactOptional(),
  /** Absolute path of the folder with its sockets. */
  socketsFolder: z.string(),
  started: time,
  hypervisor,
});
export type ProcessRecord = z.output<typeof processRecord>;

/** A catalogue entry that is installed. */
export const imageRecord = z.strictObject({
  schema: z.literal(1),
  name: z.string().regex(/^[a-z0-9][a-z0-9.-]{0,62}$/),
  description: z.string().max(1000),
  disk: z.strictObject({
    file: innerPath,
    format: z.enum(['qcow2', 'raw']),
    sha256: z.string().regex(/^[0-9a-f]{64}$/),
  }),
  boot: z
    .strictObject({ kernel: innerPath, initrd: innerPath.exactOptional(), commandLine: z.string().max(4096) })
    .exactOptional(),
  memoryMiB: z
    .int()
    .min(1)
    .max(1024 * 1024),
  cpus: z.int().min(1).max(256),
  login: z.string().max(1000).exactOptional(),
});
export type ImageRecord = z.output<typeof imageRecord>;
