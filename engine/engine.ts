import { CheckpointService } from './checkpoints/checkpoint-service.ts';
import { CompareService } from './checkpoints/compare-service.ts';
import { CopyService } from './checkpoints/copy-service.ts';
import { DiskService } from './checkpoints/disk-service.ts';
import type { EngineContext } from './checkpoints/engine-context.ts';
import { ForsakenChanges } from './checkpoints/forsaken-changes.ts';
import { GuardService } from './checkpoints/guard-service.ts';
import { GroupService } from './checkpoints/group-service.ts';
import { ownEnvironment, ownProgram } from './checkpoints/job-runner.ts';
import { JobService } from './checkpoints/job-service.ts';
import { HistoryService } from './checkpoints/history-service.ts';
import { LayerService } from './checkpoints/layer-service.ts';
import { LifeService } from './checkpoints/life-service.ts';
import { MachineGroupService } from './checkpoints/machine-group-service.ts';
import { MergeService } from './checkpoints/merge-service.ts';
import { PackService } from './checkpoints/pack-service.ts';
import { LongOperations } from './checkpoints/long-operations.ts';
import type { RunnableJobs } from './checkpoints/run-job.ts';
import { runnableJobs } from './checkpoints/runnable-jobs.ts';
import { DoctorService } from './checkpoints/doctor-service.ts';
import { SpaceWatch } from './checkpoints/space-watch.ts';
import { PlanService } from './checkpoints/plan-service.ts';
import { RetentionService } from './checkpoints/retention-service.ts';
import { DisksHost } from './hosts/disks/disks-host.ts';
import { QemuHost } from './hosts/qemu/qemu-host.ts';
import { EngineLog } from './store/engine-log.ts';
import { defaultHome, type Home } from './store/home.ts';

/** One engine: its services, and where it keeps things. */
export interface Engine {
  service: CheckpointService;
  copies: CopyService;
  groups: GroupService;
  guards: GuardService;
  merges: MergeService;
  packing: PackService;
  layers: LayerService;
  history: HistoryService;
  compare: CompareService;
  machineGroups: MachineGroupService;
  disks: DiskService;
  jobs: JobService;
  life: LifeService;
  retention: RetentionService;
  spaceWatch: SpaceWatch;
  forsaken: ForsakenChanges;
  doctor: DoctorService;
  plans: PlanService;
  /** Those of both services that run as jobs when they have much to do. */
  long: LongOperations;
  runnableJobs: RunnableJobs;
  home: Home;
  log: EngineLog;
}

/**
 * @param face how a user knows this engine, for those who wait for its lock
 * @param isProgram false for one that is part of another program, so that no process can stand in for it
 */
export function createEngine(face: string, home: Home = defaultHome(), isProgram = false): Engine {
  const log = new EngineLog(home.logs);
  const context: EngineContext = {
    home,
    hosts: { qemu: new QemuHost(home), disks: new DisksHost() },
    face,
    log,
    changed: new Set(),
    ...(isProgram ? { standIn: { ...ownProgram(), env: ownEnvironment() } } : {}),
  };
  const spaceWatch = new SpaceWatch(context);
  const forsaken = new ForsakenChanges(context);
  const service = new CheckpointService(context, spaceWatch, forsaken);
  const groups = new GroupService(context, service);
  const disks = new DiskService(context);
  const jobs = new JobService(context);
  const copies = new CopyService(context, service, jobs);
  const long = new LongOperations(context, service, disks, jobs);
  const retention = new RetentionService(context, spaceWatch);
  const doctor = new DoctorService(context);
  return {
    doctor,
    plans: new PlanService(context),
    retention,
    spaceWatch,
    forsaken,
    service,
    copies,
    groups,
    guards: new GuardService(context, service),
    merges: new MergeService(context, service, jobs),
    packing: new PackService(context, service, jobs),
    layers: new LayerService(context),
    history: new HistoryService(context),
    compare: new CompareService(context),
    machineGroups: new MachineGroupService(context, service),
    disks,
    jobs,
    life: new LifeService(context, service),
    long,
    runnableJobs: runnableJobs(context, disks),
    home,
    log,
  };
}
