import { shownProblem } from '../model/sayings.ts';
import { JsonText } from '../model/json-text.ts';
import { isUnread } from '../model/unread-machine.ts';
import type { HiddenLayerInfo } from '../protocol/hidden-layers.ts';
import type { HostInfo, MachineInfo } from '../protocol/machines.ts';
import type { MachineFolder, MachineRecords } from '../store/machine-folder.ts';
import type { Reading } from '../store/reading-index.ts';
import { endForsakenGroups } from './end-groups.ts';
import type { EngineContext } from './engine-context.ts';
import type { ForsakenChanges } from './forsaken-changes.ts';
import { hiddenLayersOf } from './hidden-layers.ts';
import { interruptedJobs, type InterruptedJobs } from './interrupted-jobs.ts';
import { MachineSummaries, summarise, type MachineHistory, type MachineSummary } from './machine-summary.ts';
import { sameIdProblems, viewPresent, viewUnread, type MachinePresent } from './machine-view.ts';
import { machineFolders } from './machine-folders.ts';
import { sweepLeftovers } from './staging.ts';

const noHistory: MachineHistory = { checkpoints: [], trash: [] };

interface Look {
  present: MachinePresent;
  /** {@link MachineHistory} as JSON text. */
  history: Uint8Array;
}

interface HostLook {
  host: Omit<HostInfo, 'machines'>;
  machines: Look[];
}

/** Looks at machines. What an engine that died left behind is finished or undone at the first look, not only at the next change. */
export class MachineLooks {
  readonly #context: EngineContext;
  readonly #summaries: MachineSummaries;
  readonly #forsaken: ForsakenChanges;
  readonly #failedGroups = new Set<string>();

  constructor(context: EngineContext, forsaken: ForsakenChanges) {
    this.#context = context;
    this.#forsaken = forsaken;
    this.#summaries = new MachineSummaries(context.home);
  }

  /** All machines by host, after a look at each of their records. */
  async list(): Promise<HostInfo[]> {
    const hosts = await this.#list(
      (folder) => this.#summaries.isUnchanged(folder),
      (folders) => this.#summaries.checkSoon(folders, []),
    );
    return hosts.map(({ host, machines }) => ({
      ...host,
      machines: machines.map(({ present, history }) => ({ ...present, ...historyOf(history) })),
    }));
  }

  /**
   * The same for a client that can be told more later: a machine none of whose records came, went or was replaced since
   * they were read is believed to be the same. Whether somebody edited one in place is looked for right afterwards.
   * @param onDifferent gets the name of each machine that somebody did that to
   * @returns the text of what {@link list} returns, and the machines without their history
   */
  async listFirst(
    onDifferent: (machine: string) => void,
  ): Promise<{ hosts: JsonText; machines: readonly MachinePresent[] }> {
    const believed: MachineFolder[] = [];
    const hosts = await this.#list(
      (folder) => believed.push(folder) > 0,
      (folders) => this.#summaries.checkSoon(folders, believed, onDifferent),
    );
    const texts = hosts.map(({ host, machines }) => [
      Buffer.from(`${openedObject(host)},"machines":[`),
      ...separated(
        machines.map(({ present, history }) => [Buffer.from(`${openedObject(present)},`), history.subarray(1)]),
      ),
      Buffer.from(']}'),
    ]);
    return {
      hosts: new JsonText([Buffer.from('['), ...separated(texts), Buffer.from(']')]),
      machines: hosts.flatMap(({ machines }) => machines.map(({ present }) => present)),
    };
  }

  /** @param mayBelieve asked of what is remembered of a machine */
  async #list(
    mayBelieve: (folder: MachineFolder) => boolean,
    afterwards: (folders: MachineFolder[]) => void,
  ): Promise<HostLook[]> {
    const hosts = [this.#context.hosts.qemu, this.#context.hosts.disks];
    // Asking a hypervisor takes as long as all the rest.
    const asked = Promise.all(hosts.map(async (host) => ({ host, status: await host.status() })));
    await sweepLeftovers(this.#context);
    await this.endGroups();
    const folders = await machineFolders(this.#context);
    const interrupted = await interruptedJobs(this.#context.home);
    const looks = await Promise.all(
      folders.map(async (folder) => {
        const known = folder.place.isUnsettled ? undefined : this.#summaries.known(folder);
        return known !== undefined && mayBelieve(folder)
          ? this.#lookAt(folder, interrupted, () => known)
          : this.#recovered(folder, () => this.#lookAt(folder, interrupted, () => this.#summaries.read(folder)));
      }),
    );
    afterwards(folders);
    const problems = sameIdProblems(looks.map(({ present }) => present));
    const shown = looks.map(({ present, history }) => {
      const problem = problems.get(present.id);
      return { present: { ...present, ...shownProblem(problem) }, history };
    });
    return (await asked).map(({ host: { id, label }, status }) => ({
      host: { id, label, ...status },
      machines: shown.filter(({ present }) => present.host === id),
    }));
  }

  /** One machine, by what its records say now. */
  async show(folder: MachineFolder): Promise<MachineInfo> {
    return (await this.#show(folder)).machine;
  }

  /** The same, with the layers that belong to no point of it. */
  async showWithLayers(folder: MachineFolder): Promise<{ machine: MachineInfo; hiddenLayers?: HiddenLayerInfo[] }> {
    const { machine, records } = await this.#show(folder);
    const isUp = machine.state === 'running' || machine.state === 'paused';
    const hiddenLayers = records === undefined ? undefined : await hiddenLayersOf(folder, records, isUp);
    return { machine, ...(hiddenLayers === undefined ? {} : { hiddenLayers }) };
  }

  async #show(folder: MachineFolder): Promise<{ machine: MachineInfo; records: MachineRecords | undefined }> {
    const interrupted = await interruptedJobs(this.#context.home);
    let history = noHistory;
    let records: MachineRecords | undefined;
    const { present } = await this.#recovered(folder, () =>
      this.#lookAt(folder, interrupted, async () => {
        const found = await summarise(folder);
        ({ history, records } = found);
        return { head: found.summary, body: new Uint8Array() };
      }),
    );
    return { machine: { ...present, ...(isUnread(present) ? noHistory : history) }, records };
  }

  /** Ends what an engine left that died while it changed several machines together. */
  async endGroups(): Promise<void> {
    await endForsakenGroups(this.#context, () => machineFolders(this.#context), this.#failedGroups);
  }

  async #lookAt(
    folder: MachineFolder,
    interrupted: InterruptedJobs,
    read: () => Reading<MachineSummary> | Promise<Reading<MachineSummary>>,
  ): Promise<Look> {
    try {
      const { head, body } = await read();
      return { present: await viewPresent(this.#context, folder, head, interrupted), history: body };
    } catch (error) {
      return {
        present: viewUnread(this.#context, folder, error),
        history: Buffer.from(JSON.stringify(noHistory)),
      };
    }
  }

  async #recovered(folder: MachineFolder, look: () => Promise<Look>): Promise<Look> {
    const problem = await this.#forsaken.end(folder);
    const seen = await look();
    return problem === undefined ? seen : { ...seen, present: { ...seen.present, ...shownProblem([problem]) } };
  }
}

/** The text of an object with members, without its end. */
function openedObject(value: object): string {
  return JSON.stringify(value).slice(0, -1);
}

function separated(texts: readonly Uint8Array[][]): Uint8Array[] {
  const comma = Buffer.from(',');
  return texts.flatMap((text, index) => (index === 0 ? text : [comma, ...text]));
}

/** Of a text of our own, read or made just now. */
function historyOf(text: Uint8Array): MachineHistory {
  const json: unknown = JSON.parse(Buffer.from(text).toString());
  return isHistory(json) ? json : noHistory;
}

function isHistory(json: unknown): json is MachineHistory {
  return typeof json === 'object' && json !== null && 'checkpoints' in json && 'trash' in json;
}
