import { PassThrough } from 'node:stream';
import {
  createConnection,
  ProposedFeatures,
  ResponseError,
  StreamMessageReader,
  StreamMessageWriter,
  type CancellationToken,
  type Connection,
} from 'vscode-languageserver/node';
import type { Call } from '../checkpoints/engine-context.ts';
import { parseParams } from '../checkpoints/operation-params.ts';
import type { Engine } from '../engine.ts';
import { isAbort, toWireError } from '../model/checkpoint-error.ts';
import type { JsonText } from '../model/json-text.ts';
import { checkpointErrorRpcCode, type WireError } from '../protocol/errors.ts';
import type { EngineInfo, OperationName, Params, ProgressParams, Result } from '../protocol/operations.ts';
import { changedMethod, methodOf, operationNames, progressMethod } from '../protocol/operations.ts';
import { spaceLowMethod, type SpaceLowParams } from '../protocol/space.ts';
import { HomeWatch } from '../store/home-watch.ts';
import { languageCapabilities, LanguageFeatures } from './language/language-features.ts';
import { messageEncoder } from './message-encoder.ts';
import { CallsUnderWay } from './calls-under-way.ts';
import { clientOutput } from './client-output.ts';
import { ProcessWatch } from './process-watch.ts';
import { RunningWatch } from './running-watch.ts';
import { chosenOptions, VolumeWatch } from './volume-watch.ts';
import { version } from '../version.ts';

const expiryCheckMs = 15 * 60 * 1000;

/** To look for what expired takes reading all there is, just when the client waits for its first list. */
const firstExpiryMs = 5000;

/** Serves one client over standard input and output until it leaves. */
export function serve(engine: Engine): void {
  const calls = new CallsUnderWay();
  // The process ends with this stream; so it ends only when what was under way has ended or been undone.
  const input = new PassThrough();
  process.stdin.pipe(input, { end: false });
  const leave = (): void => void calls.end().finally(() => input.end());
  process.stdin.once('end', leave);
  process.stdin.once('close', leave);
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(signal, leave);
  }
  let isShutDown = false;
  input.once('end', () => process.exit(isShutDown ? 0 : 1));
  const connection = createConnection(
    ProposedFeatures.all,
    new StreamMessageReader(input),
    new StreamMessageWriter(clientOutput(process.stdout, leave), { contentTypeEncoder: messageEncoder }),
  );
  let tellsOfFiles = false;
  connection.onInitialize(({ locale, capabilities }) => {
    language.speak(locale);
    tellsOfFiles = capabilities.workspace?.didChangeWatchedFiles?.dynamicRegistration === true;
    return { capabilities: languageCapabilities, serverInfo: { name: 'vm-checkpoints', version } };
  });
  for (const name of operationNames) {
    connection.onRequest(methodOf(name), (params: unknown, token: CancellationToken) =>
      answer(engine, connection, calls, name, params, token, (machine) => homeWatch.touch(machine)),
    );
  }
  const language = new LanguageFeatures(connection, engine.service, engine.log);
  const homeWatch = new HomeWatch(engine.home, (machines) => {
    language.checkSoon();
    void connection.sendNotification(changedMethod, machines === undefined ? {} : { machines });
  });
  const tellOfSpace = (warning: SpaceLowParams): void => {
    engine.log.info(warning.message);
    void connection.sendNotification(spaceLowMethod, warning);
  };
  const volumeWatch = new VolumeWatch(engine.spaceWatch, engine.service, tellOfSpace, chosenOptions(process.env));
  const runningWatch = new RunningWatch((machine, state) => engine.retention.noteRunning(machine, state));
  const processWatch = new ProcessWatch(
    engine.service,
    (machine) => homeWatch.touch(machine),
    (states) => {
      homeWatch.look();
      void volumeWatch
        .look(states)
        .catch((error: unknown) => engine.log.error(`Volumes could not be looked at: ${String(error)}`));
      void runningWatch.look(states);
      void engine.forsaken
        .endOfRunning(states)
        .catch((error: unknown) => engine.log.error(`Machines could not be looked at: ${String(error)}`));
    },
  );
  const expire = (): void => {
    engine.retention
      .pruneDue({})
      .then((failed) =>
        failed.forEach((one) => engine.log.error(`What expired of ${one.machine} stays: ${one.message}`)),
      )
      .catch((error: unknown) => engine.log.error(`Expired checkpoints stay: ${String(error)}`))
      .then(() => engine.packing.packDue())
      .catch((error: unknown) => engine.log.error(`Saved memory is not packed: ${String(error)}`));
  };
  let firstExpiry: NodeJS.Timeout | undefined;
  connection.onInitialized(() => {
    homeWatch.start();
    processWatch.start();
    if (tellsOfFiles) {
      void language
        .watchTasks()
        .catch((error: unknown) => engine.log.error(`Changed tasks are not heard of: ${String(error)}`));
    }
    firstExpiry = setTimeout(expire, firstExpiryMs);
  });
  const expiry = setInterval(expire, expiryCheckMs);
  connection.onShutdown(async () => {
    isShutDown = true;
    clearTimeout(firstExpiry);
    clearInterval(expiry);
    processWatch.close();
    homeWatch.close();
    await calls.end();
  });
  connection.listen();
  engine.log.info(`Engine ${version} serves ${engine.home.root}.`);
}

async function answer<K extends OperationName>(
  engine: Engine,
  connection: Connection,
  calls: CallsUnderWay,
  name: K,
  received: unknown,
  token: CancellationToken,
  onDifferent: (machine: string) => void,
): Promise<Result<K> | JsonText | ResponseError<WireError>> {
  const cancel = new AbortController();
  const listening = token.onCancellationRequested(() => cancel.abort());
  // A request that was cancelled before its turn came has a token that tells nobody any more.
  if (token.isCancellationRequested) {
    cancel.abort();
  }
  try {
    const { progressId, params } = separateProgress(received);
    const call: Call = {
      signal: cancel.signal,
      report: (message, fraction) => {
        if (progressId !== undefined) {
          const progress: ProgressParams = { progressId, message, ...(fraction === undefined ? {} : { fraction }) };
          void connection.sendNotification(progressMethod, progress);
        }
      },
    };
    const parsed = parseParams(name, params);
    return await calls.run<Result<K> | JsonText>(cancel, () =>
      name === 'list' ? engine.service.listText(onDifferent) : perform(engine, name, parsed, call),
    );
  } catch (error) {
    const wire = toWireError(error);
    if (wire.code === 'Internal' && !isAbort(error)) {
      engine.log.error(`${name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    }
    return new ResponseError(checkpointErrorRpcCode, wire.message, wire);
  } finally {
    listening.dispose();
  }
}

/** A request without params has empty ones; whatever else is no object is left for the schema to refuse. */
function separateProgress(received: unknown): { progressId?: string; params: unknown } {
  if (typeof received !== 'object' || received === null || Array.isArray(received)) {
    return { params: received ?? {} };
  }
  const { progressId, ...params }: { progressId?: unknown } = received;
  return typeof progressId === 'string' ? { progressId, params } : { params };
}

/** Runs an operation by name, whichever face asked. */
export async function perform<K extends OperationName>(
  engine: Engine,
  name: K,
  params: Params<K>,
  call: Call,
): Promise<Result<K>> {
  const operations: { [N in OperationName]: (params: Params<N>, call: Call) => Promise<Result<N>> } = {
    about: async () => about(engine),
    list: () => engine.service.list(),
    show: (given) => engine.service.show(given),
    images: () => engine.service.images(),
    createMachine: (given, how) => engine.service.createMachine(given, how),
    addMachine: (given, how) => engine.service.addMachine(given, how),
    removeMachine: (given) => engine.service.removeMachine(given),
    start: (given, how) => engine.service.start(given, how),
    stop: (given, how) => engine.service.stop(given, how),
    pause: (given) => engine.service.pause(given),
    resume: (given) => engine.service.resume(given),
    reset: (given) => engine.life.reset(given),
    saveState: (given, how) => engine.life.saveState(given, how),
    discardState: (given) => engine.life.discardState(given),
    forgetMachine: (given) => engine.life.forgetMachine(given),
    take: (given, how) => engine.service.take(given, how),
    apply: (given, how) => engine.service.apply(given, how),
    revert: (given, how) => engine.service.revert(given, how),
    undo: (given, how) => engine.service.undo(given, how),
    redo: (given, how) => engine.service.redo(given, how),
    delete: (given, how) => engine.long.delete(given, how),
    restore: (given) => engine.service.restore(given),
    emptyTrash: (given, how) => engine.long.emptyTrash(given, how),
    annotate: (given) => engine.service.annotate(given),
    rename: (given) => engine.service.rename(given),
    clone: (given, how) => engine.copies.clone(given, how),
    flatten: (given, how) => engine.copies.flatten(given, how),
    move: (given, how) => engine.copies.move(given, how),
    export: (given, how) => engine.copies.export(given, how),
    import: (given, how) => engine.copies.import(given, how),
    groupList: () => engine.groups.groupList(),
    groupTake: (given, how) => engine.groups.groupTake(given, how),
    groupApply: (given, how) => engine.groups.groupApply(given, how),
    groupDelete: (given) => engine.groups.groupDelete(given),
    diskInfo: (given, how) => engine.disks.diskInfo(given, how),
    diskCreate: (given, how) => engine.disks.diskCreate(given, how),
    diskChain: (given, how) => engine.disks.diskChain(given, how),
    diskMap: (given, how) => engine.disks.diskMap(given, how),
    diskCheck: (given, how) => engine.disks.diskCheck(given, how),
    diskMerge: (given, how) => engine.long.diskMerge(given, how),
    diskConvert: (given, how) => engine.long.diskConvert(given, how),
    diskCompact: (given, how) => engine.long.diskCompact(given, how),
    diskResize: (given, how) => engine.disks.diskResize(given, how),
    diskCompare: (given, how) => engine.disks.diskCompare(given, how),
    diskRebase: (given, how) => engine.disks.diskRebase(given, how),
    diskServe: (given, how) => engine.disks.diskServe(given, how),
    diskStopServing: (given) => engine.disks.diskStopServing(given),
    jobs: () => engine.jobs.jobs(),
    followJob: (given, how) => engine.jobs.followJob(given, how),
    cancelJob: (given, how) => engine.jobs.cancelJob(given, how),
    resumeJob: (given) => engine.jobs.resumeJob(given),
    policy: (given) => engine.retention.policy(given),
    prune: (given, how) => engine.retention.prune(given, how),
    space: (given, how) => engine.retention.space(given, how),
    freeSpace: (given, how) => engine.retention.freeSpace(given, how),
    mergeLayers: (given, how) => engine.merges.mergeLayers(given, how),
    packMemory: (given, how) => engine.packing.packMemory(given, how),
    layers: (given, how) => engine.layers.layers(given, how),
    history: (given) => engine.history.history(given),
    setGroup: (given) => engine.machineGroups.setGroup(given),
    compare: (given, how) => engine.compare.compare(given, how),
    doctor: (given, how) => engine.doctor.doctor(given, how),
    guardBegin: (given, how) => engine.guards.guardBegin(given, how),
    guardEnd: (given, how) => engine.guards.guardEnd(given, how),
    guestExec: (given, how) => engine.guards.guestExec(given, how),
    plan: (given) => engine.plans.plan(given),
  };
  return operations[name](params, call);
}

function about(engine: Engine): EngineInfo {
  return { version, pid: process.pid, node: process.version, home: engine.home.root, logFile: engine.log.file };
}
