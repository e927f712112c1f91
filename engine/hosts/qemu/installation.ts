import { execFile } from 'node:child_process';
import { access, constants, stat } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { CheckpointError } from '../../model/checkpoint-error.ts';
import { askOnce, type QemuAnswer } from './asked-programs.ts';

const run = promisify(execFile);

/** The QEMU of this computer. */
export interface QemuInstallation {
  /** Absolute path of `qemu-system-x86_64`. */
  emulator: string;
  /** Such as `7.2.22`. */
  version: string;
  /** The concrete type behind the alias `q35`, such as `pc-q35-7.2`: memory is resumed only on the same. */
  machineType: string;
}

const emulatorName = 'qemu-system-x86_64';

/**
 * Finds QEMU: where `VM_CHECKPOINTS_QEMU` points (the emulator, or its folder), else on the PATH and where its Windows
 * installer puts it.
 * @param answers file that remembers what QEMUs said of themselves; each is asked unless it is given
 * @throws QemuNotFound
 */
export async function findQemu(
  answers?: string,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<QemuInstallation> {
  const chosen = environment['VM_CHECKPOINTS_QEMU'];
  const folders = chosen === undefined || chosen === '' ? searchedFolders(environment) : [await folderOf(chosen)];
  const emulator = await firstExecutable(folders, emulatorName);
  if (emulator === undefined) {
    throw notFound(chosen, emulatorName);
  }
  const answer = answers === undefined ? await askQemu(emulator) : await askOnce(emulator, answers, askQemu);
  return { emulator, ...answer };
}

async function askQemu(emulator: string): Promise<QemuAnswer> {
  const [version, machines] = await Promise.all([ask(emulator, '--version'), ask(emulator, '-machine', 'help')]);
  const number = /version (\d+\.\d+(?:\.\d+)?)/.exec(version)?.[1];
  const machineType = /^q35\s.*\(alias of ([\w.-]+)\)/m.exec(machines)?.[1];
  if (number === undefined || machineType === undefined) {
    throw new CheckpointError(
      'QemuFailed',
      `The program ${emulator} does not answer like QEMU. Set its path in the settings.`,
      {
        path: emulator,
        output: version.slice(0, 500),
      },
    );
  }
  return { version: number, machineType };
}

function searchedFolders(environment: NodeJS.ProcessEnv): string[] {
  const onPath = (environment['PATH'] ?? environment['Path'] ?? '')
    .split(path.delimiter)
    .filter((folder) => folder !== '');
  const programFiles = environment['ProgramFiles'];
  return process.platform === 'win32' && programFiles !== undefined
    ? [...onPath, path.join(programFiles, 'qemu')]
    : onPath;
}

async function folderOf(chosen: string): Promise<string> {
  const isFolder = await stat(chosen).then(
    (found) => found.isDirectory(),
    () => false,
  );
  return isFolder ? chosen : path.dirname(chosen);
}

async function firstExecutable(folders: string[], name: string): Promise<string | undefined> {
  const file = process.platform === 'win32' ? `${name}.exe` : name;
  for (const folder of folders) {
    const candidate = path.resolve(folder, file);
    try {
      await access(candidate, constants.X_OK);
      return candidate;
    } catch {
      continue;
    }
  }
  return undefined;
}

async function ask(program: string, ...args: string[]): Promise<string> {
  try {
    return (await run(program, args, { timeout: 20_000 })).stdout;
  } catch (error) {
    throw new CheckpointError(
      'QemuFailed',
      `The program ${program} cannot be run. Reinstall QEMU.`,
      { path: program },
      { cause: error },
    );
  }
}

function notFound(chosen: string | undefined, program: string): CheckpointError {
  const place = chosen === undefined || chosen === '' ? 'on the PATH' : `at ${chosen}`;
  return new CheckpointError('QemuNotFound', `QEMU's program ${program} is not ${place}. ${howToInstall()}`, {
    program,
    place: chosen,
  });
}

/** One command for this operating system. */
export function howToInstall(platform: NodeJS.Platform = process.platform): string {
  switch (platform) {
    case 'darwin':
      return 'Install it with: brew install qemu';
    case 'win32':
      return 'Install it with: winget install SoftwareFreedomConservancy.QEMU';
    default:
      return 'Install it with: apt install qemu-system-x86 qemu-utils (Debian, Ubuntu) or dnf install qemu-kvm qemu-img (Fedora).';
  }
}
