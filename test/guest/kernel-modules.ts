// The few kernel modules that the guest needs, with those that they depend on.

import { copyFile, mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';

/** A kernel's modules, as they lie in an unpacked kernel package. */
export interface KernelModules {
  /** For example `6.1.0-56-cloud-amd64`. */
  release: string;
  /** The folder of that release: `…/lib/modules/<release>`. */
  folder: string;
  /** Path below `folder`, by module name. */
  paths: ReadonlyMap<string, string>;
}

export async function findKernelModules(packageFolder: string): Promise<KernelModules> {
  const modulesFolder = path.join(packageFolder, 'lib/modules');
  const [release] = await readdir(modulesFolder);
  if (release === undefined) {
    throw new Error(`${modulesFolder} is empty.`);
  }
  const folder = path.join(modulesFolder, release);
  const paths = new Map<string, string>();
  for (const file of await readdir(folder, { recursive: true })) {
    if (file.endsWith('.ko')) {
      paths.set(normalizeName(path.basename(file, '.ko')), file);
    }
  }
  return { release, folder, paths };
}

/**
 * Copies the named modules, and those that they depend on, into `rootFolder`/usr/lib/modules, with the
 * `modules.dep` that modprobe reads.
 */
export async function installModules(
  modules: KernelModules,
  names: readonly string[],
  rootFolder: string,
): Promise<void> {
  const targetFolder = path.join(rootFolder, 'usr/lib/modules', modules.release);
  const lines: string[] = [];
  for (const [name, dependencies] of await withDependencies(modules, names)) {
    const file = pathOf(modules, name);
    await mkdir(path.join(targetFolder, path.dirname(file)), { recursive: true });
    await copyFile(path.join(modules.folder, file), path.join(targetFolder, file));
    // modprobe loads a line's modules from its end to its beginning.
    const paths = dependencies.map((dependency) => pathOf(modules, dependency)).reverse();
    lines.push(`${[`${file}:`, ...paths].join(' ')}\n`);
  }
  await writeFile(path.join(targetFolder, 'modules.dep'), lines.sort().join(''));
}

/** Each module that is needed, with all that it needs itself, direct or not, in the order of loading. */
async function withDependencies(
  modules: KernelModules,
  names: readonly string[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  const found = new Map<string, readonly string[]>();
  const visit = async (name: string): Promise<readonly string[]> => {
    const known = found.get(name);
    if (known !== undefined) {
      return known;
    }
    const needed = new Set<string>();
    for (const dependency of await readDependencies(path.join(modules.folder, pathOf(modules, name)))) {
      for (const indirect of await visit(dependency)) {
        needed.add(indirect);
      }
      needed.add(dependency);
    }
    const dependencies = [...needed];
    found.set(name, dependencies);
    return dependencies;
  };
  for (const name of names) {
    await visit(name);
  }
  return found;
}

/** The direct dependencies that a module declares: `depends=a,b` in its `.modinfo` section. */
async function readDependencies(file: string): Promise<string[]> {
  const content = await readFile(file, 'latin1');
  const declared = /\0depends=([^\0]*)\0/.exec(content)?.[1] ?? '';
  return declared.split(',').filter(Boolean).map(normalizeName);
}

function pathOf(modules: KernelModules, name: string): string {
  const file = modules.paths.get(name);
  if (file === undefined) {
    throw new Error(`The kernel ${modules.release} has no module ${name}.`);
  }
  return file;
}

/** The kernel does not tell `-` from `_` in a module's name. */
function normalizeName(name: string): string {
  return name.replaceAll('-', '_');
}
