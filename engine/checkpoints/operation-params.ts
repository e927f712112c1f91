import { z } from 'zod';
import { CheckpointError } from '../model/checkpoint-error.ts';
import type { OperationName, Params } from '../protocol/operations.ts';
import { plannedOperations } from '../protocol/plans.ts';
import { retentionPolicy } from '../store/policy-record.ts';

const reference = z.string().min(1).max(4096);
const name = z.string().max(4096);
const path = z
  .string()
  .min(1)
  .max(4096)
  .refine((text) => !text.includes('\0'), 'contains a zero byte');
const onMachine = { machine: reference };
const onCheckpoint = { machine: reference, checkpoint: reference };
/** Program and arguments. */
const command = z.array(z.string().max(100_000)).min(1).max(10_000);
const onJob = { job: reference };
/** What asked for a checkpoint, and of which state of its work. */
const provenance = {
  createdBy: z.enum(['person', 'task', 'debug', 'agent', 'guard']).exactOptional(),
  git: z.strictObject({ branch: z.string().max(1000).exactOptional(), commit: z.string().max(100) }).exactOptional(),
};
const checkpointKind = z.enum(['standard', 'production', 'production-only']).exactOptional();
const applyOptions = {
  discardNow: z.boolean().exactOptional(),
  disksOnly: z.boolean().exactOptional(),
  renewNetwork: z.boolean().exactOptional(),
};
const hardware = {
  memoryMiB: z
    .int()
    .min(16)
    .max(16 * 1024 * 1024)
    .exactOptional(),
  cpus: z.int().min(1).max(255).exactOptional(),
  firmware: z.enum(['bios', 'uefi']).exactOptional(),
  tpm: z.boolean().exactOptional(),
};
const format = z.literal('raw').exactOptional();

const diskFormat = z.enum(['raw', 'vhd', 'vhdx', 'qcow2', 'vmdk']);
const bytes = z.int().min(0);
const allowParents = z.array(path).max(1000).exactOptional();
const onDisk = { file: path, from: diskFormat.exactOptional(), allowParents };
const onDiskToRead = { ...onDisk, snapshot: reference.exactOptional() };
const newDisk = {
  fixed: z.boolean().exactOptional(),
  blockBytes: bytes.exactOptional(),
  logicalSectorBytes: bytes.exactOptional(),
};
/** Bytes a second. */
const speed = z
  .int()
  .min(1)
  .max(2 ** 50)
  .exactOptional();
const listLimit = z.int().min(1).max(1_000_000).exactOptional();

/** What each operation takes, wherever the request came from. */
const operationParams: { [K in OperationName]: z.ZodType<Params<K>> } = {
  about: z.strictObject({}),
  list: z.strictObject({}),
  show: z.strictObject({ ...onMachine, checkpoint: reference.exactOptional() }),
  images: z.strictObject({}),
  createMachine: z.strictObject({
    name,
    disk: path.exactOptional(),
    image: reference.exactOptional(),
    format,
    ...hardware,
  }),
  addMachine: z.strictObject({
    name,
    host: z.enum(['qemu', 'disks']).exactOptional(),
    disk: path,
    moreDisks: z.array(path).max(63).exactOptional(),
    format,
    ...hardware,
  }),
  removeMachine: z.strictObject(onMachine),
  forgetMachine: z.strictObject(onMachine),
  start: z.strictObject(onMachine),
  stop: z.strictObject({
    ...onMachine,
    force: z.boolean().exactOptional(),
    timeoutSeconds: z.number().min(0).max(86_400).exactOptional(),
  }),
  pause: z.strictObject(onMachine),
  resume: z.strictObject(onMachine),
  reset: z.strictObject(onMachine),
  saveState: z.strictObject(onMachine),
  discardState: z.strictObject(onMachine),
  take: z.strictObject({
    ...onMachine,
    name: name.exactOptional(),
    notes: z.string().max(100_000).exactOptional(),
    memory: z.boolean().exactOptional(),
    kind: checkpointKind,
    ...provenance,
    keepLast: z.int().min(1).max(1000).exactOptional(),
  }),
  apply: z.strictObject({ ...onCheckpoint, ...applyOptions }),
  revert: z.strictObject({ ...onMachine, ...applyOptions }),
  undo: z.strictObject(onMachine),
  redo: z.strictObject(onMachine),
  delete: z.strictObject({
    ...onCheckpoint,
    also: z.array(reference).max(100_000).exactOptional(),
    subtree: z.boolean().exactOptional(),
    purge: z.boolean().exactOptional(),
    speed,
  }),
  restore: z.strictObject(onCheckpoint),
  emptyTrash: z.strictObject({ ...onMachine, checkpoint: reference.exactOptional(), speed }),
  annotate: z.strictObject({
    ...onCheckpoint,
    notes: z.string().max(100_000).exactOptional(),
    pinned: z.boolean().exactOptional(),
    colour: z.enum(['red', 'orange', 'yellow', 'green', 'blue', 'purple', 'none']).exactOptional(),
  }),
  rename: z.strictObject({ ...onCheckpoint, name }),
  clone: z.strictObject({
    ...onMachine,
    checkpoint: reference.exactOptional(),
    name,
    full: z.boolean().exactOptional(),
    disksFolder: path.exactOptional(),
  }),
  flatten: z.strictObject(onMachine),
  move: z.strictObject({ ...onMachine, folder: path.exactOptional() }),
  export: z.strictObject({
    ...onMachine,
    target: path,
    checkpoint: reference.exactOptional(),
    to: diskFormat.exactOptional(),
  }),
  import: z.strictObject({ folder: path, name: name.exactOptional(), disksFolder: path.exactOptional() }),
  groupList: z.strictObject({}),
  groupTake: z.strictObject({
    name: name.exactOptional(),
    machines: z.array(reference).min(1).max(1000),
    notes: z.string().max(100_000).exactOptional(),
    memory: z.boolean().exactOptional(),
    kind: checkpointKind,
    ...provenance,
  }),
  groupApply: z.strictObject({ group: reference, disksOnly: z.boolean().exactOptional() }),
  groupDelete: z.strictObject({ group: reference }),
  diskInfo: z.strictObject(onDisk),
  diskCreate: z.strictObject({
    file: path,
    to: diskFormat,
    sizeBytes: bytes.exactOptional(),
    parent: path.exactOptional(),
    from: diskFormat.exactOptional(),
    allowParents,
    ...newDisk,
  }),
  diskChain: z.strictObject(onDisk),
  diskMap: z.strictObject({ ...onDiskToRead, offset: bytes.exactOptional(), limit: listLimit }),
  diskCheck: z.strictObject({ ...onDisk, repair: z.boolean().exactOptional() }),
  diskMerge: z.strictObject({ ...onDisk, into: path.exactOptional(), reverse: z.boolean().exactOptional() }),
  diskConvert: z.strictObject({
    ...onDiskToRead,
    target: path,
    to: diskFormat,
    flatten: z.boolean().exactOptional(),
    streamOptimized: z.boolean().exactOptional(),
    ...newDisk,
  }),
  diskCompact: z.strictObject(onDisk),
  diskResize: z.strictObject({ ...onDisk, sizeBytes: bytes }),
  diskCompare: z.strictObject({ ...onDiskToRead, other: path, to: diskFormat.exactOptional(), limit: listLimit }),
  diskRebase: z.strictObject({
    file: path,
    parent: path,
    from: diskFormat.exactOptional(),
    acceptMismatch: z.boolean().exactOptional(),
    allowParents,
  }),
  diskServe: z.strictObject({ ...onDiskToRead, socket: path, readOnly: z.boolean().exactOptional() }),
  diskStopServing: z.strictObject({ socket: path }),
  jobs: z.strictObject({}),
  followJob: z.strictObject(onJob),
  cancelJob: z.strictObject(onJob),
  resumeJob: z.strictObject(onJob),
  policy: z.strictObject({ ...onMachine, policy: retentionPolicy.exactOptional() }),
  prune: z.strictObject({ machine: reference.exactOptional(), dryRun: z.boolean().exactOptional() }),
  space: z.strictObject({ machine: reference.exactOptional() }),
  freeSpace: z.strictObject({ machine: reference.exactOptional(), dryRun: z.boolean().exactOptional() }),
  layers: z.strictObject({ ...onMachine, checkpoint: reference.exactOptional() }),
  history: z.strictObject({ ...onMachine, last: z.int().min(1).max(10_000).exactOptional() }),
  setGroup: z.strictObject({ ...onMachine, group: name }),
  compare: z.strictObject({ ...onCheckpoint, other: reference, limit: listLimit }),
  mergeLayers: z.strictObject({ ...onMachine, speed }),
  packMemory: z.strictObject({ ...onMachine, olderThanHours: z.number().min(0).max(1_000_000).exactOptional() }),
  doctor: z.strictObject({
    machine: reference.exactOptional(),
    deep: z.boolean().exactOptional(),
    repair: z.boolean().exactOptional(),
    acceptChanged: z.boolean().exactOptional(),
  }),
  guardBegin: z.strictObject({
    ...onMachine,
    command,
    where: z.enum(['here', 'guest']).exactOptional(),
    name: name.exactOptional(),
    memory: z.boolean().exactOptional(),
    kind: z.enum(['standard', 'production', 'production-only']).exactOptional(),
    git: z.strictObject({ branch: z.string().max(1000).exactOptional(), commit: z.string().max(100) }).exactOptional(),
  }),
  guardEnd: z.strictObject({
    ...onMachine,
    checkpoint: reference.exactOptional(),
    end: z.strictObject({ exitCode: z.int().exactOptional(), signal: z.string().max(100).exactOptional() }),
    outcome: z.enum(['keep', 'revert']),
  }),
  guestExec: z.strictObject({
    ...onMachine,
    command,
    timeoutSeconds: z.number().min(0).max(1_000_000).exactOptional(),
  }),
  plan: z.strictObject({ operation: z.enum(plannedOperations), params: z.record(z.string(), z.unknown()) }),
};

/**
 * Checks the parameters of an operation.
 * @throws InvalidArgument, naming the field
 */
export function parseParams<K extends OperationName>(operation: K, params: unknown): Params<K> {
  const parsed = operationParams[operation].safeParse(params);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const field = issue === undefined ? '' : issue.path.map(String).join('.');
    throw new CheckpointError('InvalidArgument', `“${field}” is not as it must be: ${issue?.message ?? 'unknown'}.`, {
      operation,
      field,
    });
  }
  return parsed.data;
}
