import { access, chmod, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { cacheFolder, ProgramError, runProgram } from './project.ts';
import { canBuildGuest } from './system-programs.ts';

/** Debian 12's collection of newer versions of its programs; they run with the libraries of Debian 12. */
const suite = 'bookworm-backports';
/** The emulator, and what it loads into a guest. */
const packages = ['qemu-system-x86', 'qemu-system-data', 'seabios'];
const folder = path.join(cacheFolder, 'newer-qemu');

/**
 * Brings a newer QEMU than the installed one into a folder of its own; nothing is installed. Only on Debian 12.
 * @returns what `VM_CHECKPOINTS_QEMU` takes, or why there is none
 */
export async function newerQemu(log: (line: string) => void): Promise<{ place: string } | { missing: string }> {
  if (!(await canBuildGuest())) {
    return { missing: 'a newer QEMU is fetched on Debian 12 only' };
  }
  const place = path.join(folder, 'bin');
  const isThere = await access(place).then(
    () => true,
    () => false,
  );
  if (isThere) {
    return { place };
  }
  log(`Fetching a newer QEMU (${suite}) …`);
  await mkdir(cacheFolder, { recursive: true });
  const staging = await mkdtemp(path.join(cacheFolder, 'newer-qemu-'));
  try {
    await fetchInto(staging);
    await rm(folder, { recursive: true, force: true });
    await rename(staging, folder);
    return { place };
  } catch (error) {
    if (error instanceof ProgramError) {
      return { missing: `no newer QEMU can be fetched: ${error.message.trim().split('\n').at(-1) ?? ''}` };
    }
    throw error;
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

async function fetchInto(staging: string): Promise<void> {
  const apt = await ownApt(path.join(staging, 'apt'));
  const downloads = path.join(staging, 'packages');
  await mkdir(downloads);
  await runProgram('apt-get', [...apt, '-qq', 'update']);
  await runProgram('apt-get', [...apt, '-qq', 'download', ...packages], { cwd: downloads });
  for (const file of await readdir(downloads)) {
    await runProgram('dpkg-deb', ['-x', path.join(downloads, file), staging]);
  }
  await Promise.all([downloads, path.join(staging, 'apt')].map((each) => rm(each, { recursive: true })));
  // Its own data, which it would look for in the installed QEMU's folders.
  const script = `#!/bin/sh
here=$(dirname "$0")/../usr
exec "$here/bin/qemu-system-x86_64" -L "$here/share/qemu" -L "$here/share/seabios" "$@"
`;
  const emulator = path.join(staging, 'bin/qemu-system-x86_64');
  await mkdir(path.dirname(emulator));
  await writeFile(emulator, script);
  await chmod(emulator, 0o755);
}

/** Options of apt for lists of packages that are not the system's, from where the system gets its own. */
async function ownApt(state: string): Promise<string[]> {
  const targets = await runProgram('apt-get', ['indextargets', '--format', '$(REPO_URI)', 'Codename: bookworm']);
  const [place] = targets.split('\n').filter((line) => line !== '');
  if (place === undefined) {
    throw new ProgramError('apt has no lists of Debian 12’s packages. Run apt-get update.');
  }
  await Promise.all(
    ['lists/partial', 'cache/archives/partial', 'parts'].map((name) =>
      mkdir(path.join(state, name), { recursive: true }),
    ),
  );
  await writeFile(path.join(state, 'status'), '');
  const keys = '/usr/share/keyrings/debian-archive-keyring.gpg';
  await writeFile(path.join(state, 'sources.list'), `deb [signed-by=${keys}] ${place} ${suite} main\n`);
  const settings = {
    'Dir::State': state,
    'Dir::State::status': path.join(state, 'status'),
    'Dir::Cache': path.join(state, 'cache'),
    'Dir::Etc::SourceList': path.join(state, 'sources.list'),
    'Dir::Etc::SourceParts': path.join(state, 'parts'),
    'APT::Sandbox::User': 'root',
    'Acquire::Retries': '0',
    'Acquire::http::Timeout': '15',
  };
  return Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
}
