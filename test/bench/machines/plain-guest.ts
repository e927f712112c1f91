import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, open } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { eventsLog, openEvents } from '../../../engine/hosts/qemu/ending.ts';
import { QmpConnection } from '../../../engine/hosts/qemu/qmp.ts';
import { socketsIn, type Sockets } from '../../../engine/hosts/qemu/sockets-folder.ts';
import { eventsIn, type RunEvent } from './run-events.ts';

const limitMs = 30_000;
const jobs = z.array(z.object({ id: z.string(), status: z.string(), error: z.string().optional() }));

/** A copy of a machine's folder, from before its first start, and the command line of its QEMU. */
export class PlainMachine {
  readonly #folder: string;
  readonly #from: string;
  readonly #commandLine: readonly string[];

  private constructor(folder: string, from: string, commandLine: readonly string[]) {
    this.#folder = folder;
    this.#from = from;
    this.#commandLine = commandLine;
  }

  /** @param from the machine's folder @param copy of it, as {@link copyOf} made it */
  static of(from: string, copy: string, commandLine: readonly string[]): PlainMachine {
    return new PlainMachine(copy, from, commandLine);
  }

  static async copyOf(from: string, parent: string): Promise<string> {
    const copy = path.join(parent, 'plain', path.basename(from));
    await mkdir(path.dirname(copy));
    await cp(from, copy, { recursive: true });
    return copy;
  }

  /** Starts QEMU, and nothing else: its guest runs at once. */
  async start(): Promise<PlainGuest> {
    const [program = '', ...args] = this.#commandLine
      .filter((argument) => argument !== '-S')
      .map((argument) => argument.replaceAll(this.#from, this.#folder));
    const folder = args.map((argument) => /path=([^,]+)\/monitor\.sock/.exec(argument)?.[1]).find(Boolean);
    const node = args.map((argument) => /^virtio-blk-pci,.*drive=([^,]+)/.exec(argument)?.[1]).find(Boolean);
    if (folder === undefined || node === undefined) {
      throw new Error(`This is no command line of ours: ${args.join(' ')}`);
    }
    await mkdir(folder, { recursive: true });
    const events = await openEvents(folder);
    const log = await open(path.join(folder, 'hypervisor.log'), 'a');
    try {
      // A session of its own, as ours and libvirt's have: the kernel shares the processors out among sessions.
      const child = spawn(program, args, {
        cwd: folder,
        detached: true,
        stdio: [events.input, events.output, log.fd],
      });
      await once(child, 'spawn');
      return new PlainGuest(child, socketsIn(folder), node);
    } finally {
      await events.close();
      await log.close();
    }
  }
}

/** A QEMU that nobody manages. */
export class PlainGuest {
  readonly sockets: Sockets;
  readonly #child: ChildProcess;
  readonly #node: string;
  #jobs = 0;

  constructor(child: ChildProcess, sockets: Sockets, node: string) {
    this.#child = child;
    this.sockets = sockets;
    this.#node = node;
  }

  events(): Promise<RunEvent[]> {
    return eventsIn(eventsLog(this.sockets.folder));
  }

  /** Runs a command of its monitor, once it listens. */
  async execute(command: string, args: Record<string, unknown> = {}): Promise<void> {
    await this.#withMonitor((monitor) => monitor.execute(command, args));
  }

  /** A job on a snapshot inside its disk: `snapshot-save`, `snapshot-load` or `snapshot-delete`. */
  async snapshot(command: string, tag: string): Promise<void> {
    const id = `job${(this.#jobs += 1)}`;
    const state = command === 'snapshot-delete' ? {} : { vmstate: this.#node };
    await this.#withMonitor(async (monitor) => {
      await monitor.execute(command, { 'job-id': id, tag, ...state, devices: [this.#node] });
      for (;;) {
        const job = (await monitor.query('query-jobs', jobs)).find((one) => one.id === id);
        if (job?.status === 'concluded') {
          await monitor.execute('job-dismiss', { id });
          if (job.error !== undefined) {
            throw new Error(`${command}: ${job.error}`);
          }
          return;
        }
        await delay(5);
      }
    });
  }

  async end(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const exit = once(this.#child, 'exit');
      this.#child.kill('SIGKILL');
      await exit;
    }
  }

  async #withMonitor<T>(use: (monitor: QmpConnection) => Promise<T>): Promise<T> {
    const end = performance.now() + limitMs;
    for (;;) {
      const monitor = await QmpConnection.connect(this.sockets.monitor).catch(() => undefined);
      if (monitor !== undefined) {
        try {
          return await use(monitor);
        } finally {
          monitor.close();
        }
      }
      if (performance.now() > end || this.#child.exitCode !== null) {
        throw new Error('The plain QEMU does not answer.');
      }
      await delay(20);
    }
  }
}
