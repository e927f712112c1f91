import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { runProgram } from '../../support/project.ts';

const startLimitMs = 30_000;

/**
 * Folders of the system daemon, and what stands for each: it finds none of them but by these names. The account that it runs
 * QEMU as by default has to be there even when another one is configured, and only a full installation makes it.
 */
const places: Readonly<Record<string, string>> = {
  '/etc/passwd': 'passwd',
  '/etc/group': 'group',
  '/etc/libvirt': 'etc',
  '/var/lib/libvirt': 'lib',
  '/var/log/libvirt': 'log',
  '/var/cache/libvirt': 'cache',
  '/run/libvirt': 'run',
};
const defaultAccount = 'libvirt-qemu';

/** Mounts, in a name space of its own, each `$1` at `$2`, and becomes the daemon. */
const script =
  'while [ $# -gt 2 ]; do mount --bind "$1" "$2" || exit; shift 2; done; exec libvirtd --config "$1" --pid-file "$2"';

/** Why libvirt cannot be had here; undefined where it can. */
export const libvirtProblem: string | undefined = lookForLibvirt();

/** A libvirt daemon of our own: it leaves the system's files and machines alone, and is gone afterwards. */
export class Libvirt {
  readonly #child: ChildProcess;
  readonly #socket: string;

  private constructor(child: ChildProcess, socket: string) {
    this.#child = child;
    this.#socket = socket;
  }

  /** @throws when it does not answer, with its last words */
  static async start(parent: string): Promise<Libvirt> {
    if (libvirtProblem !== undefined) {
      throw new Error(libvirtProblem);
    }
    const folder = path.join(parent, 'libvirtd');
    const inner = (name: string): string => path.join(folder, name);
    for (const [place, name] of Object.entries(places)) {
      if (!place.startsWith('/etc/') || name === 'etc') {
        await mkdir(inner(name), { recursive: true });
        await mkdir(place, { recursive: true });
      }
    }
    await mkdir(inner('sockets'));
    await copyFile('/etc/passwd', inner('passwd'));
    await appendFile(inner('passwd'), `${defaultAccount}:x:0:0::/nonexistent:/usr/sbin/nologin\n`);
    await copyFile('/etc/group', inner('group'));
    await appendFile(inner('group'), `${defaultAccount}:x:0:\nkvm:x:0:\n`);
    await writeFile(inner('etc/qemu.conf'), qemuSettings);
    await writeFile(inner('etc/libvirtd.conf'), daemonSettings(folder));
    const mounts = Object.entries(places).flatMap(([place, name]) => [inner(name), place]);
    const rest = [inner('etc/libvirtd.conf'), inner('libvirtd.pid')];
    const child = spawn('unshare', ['--mount', 'sh', '-c', script, 'sh', ...mounts, ...rest], {
      stdio: 'ignore',
    });
    const libvirt = new Libvirt(child, inner('sockets/libvirt-sock'));
    try {
      await libvirt.#untilAnswering(inner('daemon.log'));
      // It asks QEMU once what it can do, which takes seconds.
      await libvirt.virsh('domcapabilities', '--virttype', 'qemu');
    } catch (error) {
      await libvirt.stop();
      throw error;
    }
    return libvirt;
  }

  /** What a program `virsh` of one's own is told. */
  arguments(...args: string[]): string[] {
    return ['-c', `qemu+unix:///system?socket=${this.#socket}`, ...args];
  }

  virsh(...args: string[]): Promise<string> {
    return runProgram('virsh', this.arguments(...args));
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const exit = once(this.#child, 'exit');
      this.#child.kill('SIGTERM');
      const limit = setTimeout(() => this.#child.kill('SIGKILL'), 10_000);
      await exit;
      clearTimeout(limit);
    }
  }

  async #untilAnswering(log: string): Promise<void> {
    const end = performance.now() + startLimitMs;
    for (;;) {
      const problem = await this.virsh('list').then(
        () => undefined,
        (error: unknown) => String(error),
      );
      if (problem === undefined) {
        return;
      }
      if (performance.now() > end || this.#child.exitCode !== null) {
        const words = await readFile(log, 'utf8').catch(() => problem);
        throw new Error(`libvirtd does not run: ${words.trim().split('\n').slice(-3).join(' ')}`);
      }
      await delay(100);
    }
  }
}

const qemuSettings = [
  'user = "root"',
  'group = "root"',
  'security_driver = "none"',
  'dynamic_ownership = 0',
  'remember_owner = 0',
  'namespaces = []',
  'cgroup_controllers = []',
  'stdio_handler = "file"',
  '',
].join('\n');

function daemonSettings(folder: string): string {
  return [
    `unix_sock_dir = "${folder}/sockets"`,
    'auth_unix_ro = "none"',
    'auth_unix_rw = "none"',
    `log_outputs = "3:file:${folder}/daemon.log"`,
    '',
  ].join('\n');
}

function lookForLibvirt(): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) {
    return 'no libvirt: it is started by root on Linux only';
  }
  for (const program of ['virsh', 'libvirtd']) {
    if (spawnSync(program, ['--version'], { timeout: 10_000 }).status !== 0) {
      return `no libvirt: ${program} is not installed`;
    }
  }
  return spawnSync('unshare', ['--mount', 'true'], { timeout: 10_000 }).status === 0
    ? undefined
    : 'no libvirt: no name space of its own can be made for it here';
}
