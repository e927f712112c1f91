import { access, constants, readFile } from 'node:fs/promises';
import path from 'node:path';
import { runProgram } from './project.ts';

/** A program that set-up needs, and the package of Debian and Ubuntu that has it. */
interface SystemProgram {
  /** On the PATH; or a file, by its absolute path. */
  names: string[];
  debianPackage: string;
}

export const qemuPrograms: SystemProgram[] = [
  { names: ['qemu-system-x86_64'], debianPackage: 'qemu-system-x86' },
  { names: ['qemu-img'], debianPackage: 'qemu-utils' },
];
/** What builds the demo guest out of Debian packages. */
export const guestPrograms: SystemProgram[] = [
  { names: ['mke2fs', 'e2fsck', 'debugfs'], debianPackage: 'e2fsprogs' },
  { names: ['cpio'], debianPackage: 'cpio' },
];
/** What machines with UEFI and a TPM need. */
export const firmwarePrograms: SystemProgram[] = [
  { names: ['swtpm'], debianPackage: 'swtpm' },
  { names: ['/usr/share/OVMF/OVMF_CODE_4M.fd'], debianPackage: 'ovmf' },
];
export const browserPrograms: SystemProgram[] = [{ names: ['chromium'], debianPackage: 'chromium' }];
/** What compiles the terminal's native part for the editor that the tests run. */
export const nativeBuildPrograms: SystemProgram[] = [
  { names: ['g++'], debianPackage: 'g++' },
  { names: ['make'], debianPackage: 'make' },
  { names: ['python3'], debianPackage: 'python3' },
];

/** Other programs for disk images, which the disk engine is compared with. */
export const diskPeerPrograms: SystemProgram[] = [
  { names: ['vhdiinfo', 'vhdimount'], debianPackage: 'libvhdi-utils' },
  { names: ['nbdinfo', 'nbdcopy'], debianPackage: 'libnbd-bin' },
];

/** The other manager of machines, which running machines are compared with. */
export const libvirtPrograms: SystemProgram[] = [
  { names: ['virsh'], debianPackage: 'libvirt-clients' },
  { names: ['libvirtd'], debianPackage: 'libvirt-daemon' },
  {
    names: ['/usr/lib/x86_64-linux-gnu/libvirt/connection-driver/libvirt_driver_qemu.so'],
    debianPackage: 'libvirt-daemon-driver-qemu',
  },
];

/** Thrown when a person has to do something before set-up can go on. */
export class SetUpError extends Error {
  override readonly name = 'SetUpError';
}

/**
 * Sees that programs are installed: on Debian and Ubuntu as root it installs what is missing, elsewhere it says what to run.
 * @throws SetUpError with the one command that installs them
 */
export async function requirePrograms(programs: SystemProgram[], log: (line: string) => void): Promise<void> {
  const missing = await missingPackages(programs);
  if (missing.length === 0) {
    return;
  }
  if (!(await isDebian()) || process.getuid?.() !== 0) {
    throw new SetUpError(
      `${missing.join(', ')} must be installed first. Run:\n\n    ${await installCommand(missing)}\n\nand then this command again.`,
    );
  }
  log(`Installing ${missing.join(', ')} with apt …`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  await runProgram('apt-get', ['update', '-qq'], { env });
  await runProgram('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...missing], { env });
  const still = await missingPackages(programs);
  if (still.length > 0) {
    throw new SetUpError(`apt installed ${still.join(', ')}, but its programs are not on the PATH.`);
  }
}

/** As {@link requirePrograms} where they can be installed; elsewhere the tests that need them are skipped, and say so. */
export async function installIfPossible(programs: SystemProgram[], log: (line: string) => void): Promise<void> {
  if ((await isDebian()) && process.getuid?.() === 0) {
    await requirePrograms(programs, log);
  }
}

/** True on Debian and what descends from it (os-release(5)). */
export async function isDebian(): Promise<boolean> {
  const release = await readFile('/etc/os-release', 'utf8').catch(() => '');
  return /^ID(?:_LIKE)?=.*\b(?:debian|ubuntu)\b/m.test(release);
}

/** True where the demo guest can be built: its builder knows the packages of Debian 12 on x86-64. */
export async function canBuildGuest(): Promise<boolean> {
  const release = await readFile('/etc/os-release', 'utf8').catch(() => '');
  return process.arch === 'x64' && /^ID=debian$/m.test(release) && /^VERSION_ID="12"$/m.test(release);
}

async function missingPackages(programs: SystemProgram[]): Promise<string[]> {
  const present = await Promise.all(
    programs.map(async ({ names }) => (await Promise.all(names.map(isOnPath))).every(Boolean)),
  );
  return programs.filter((_, index) => present[index] !== true).map(({ debianPackage }) => debianPackage);
}

/** Finds system programs too when a user's PATH leaves /usr/sbin out. */
async function isOnPath(name: string): Promise<boolean> {
  if (path.isAbsolute(name)) {
    return access(name).then(
      () => true,
      () => false,
    );
  }
  const folders = [...(process.env['PATH'] ?? '').split(path.delimiter), '/usr/sbin', '/sbin'];
  for (const folder of folders) {
    try {
      await access(path.join(folder, name), constants.X_OK);
      return true;
    } catch {
      continue;
    }
  }
  return false;
}

async function installCommand(packages: string[]): Promise<string> {
  if (process.platform === 'darwin') {
    return 'brew install qemu';
  }
  if (process.platform === 'win32') {
    return 'wsl --install   (then use the Linux that it gives)';
  }
  return (await isDebian())
    ? `sudo apt-get install -y ${packages.join(' ')}`
    : 'sudo dnf install -y qemu-kvm qemu-img   (or the like of your distribution)';
}
