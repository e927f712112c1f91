import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';

/** VS Code settings by their full names. */
export type Settings = Readonly<Record<string, unknown>>;

/** A quiet workbench: no welcome pages, experiments, agents or traffic, and a terminal whose text is in the page. */
const quiet: Settings = {
  'chat.disableAIFeatures': true,
  'extensions.autoCheckUpdates': false,
  'extensions.ignoreRecommendations': true,
  'git.openRepositoryInParentFolders': 'never',
  'telemetry.telemetryLevel': 'off',
  'terminal.integrated.gpuAcceleration': 'off',
  'terminal.integrated.initialHint': false,
  'update.mode': 'none',
  'workbench.enableExperiments': false,
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
  'workbench.startupEditor': 'none',
  'workbench.tips.enabled': false,
};

/**
 * Writes the user settings into a user-data folder: the quiet ones, overridden by those that are there already,
 * overridden by `settings`. A file that is not plain JSON belongs to somebody who edits it, and stays as it is.
 */
export async function writeUserSettings(
  userDataFolder: string,
  settings: Settings,
  log: (line: string) => void,
): Promise<void> {
  const file = path.join(userDataFolder, 'User/settings.json');
  let present: unknown = {};
  try {
    present = JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    if (error instanceof SyntaxError) {
      log(`${file} has comments, or is not JSON. It is used as it is.`);
      return;
    }
  }
  await mkdir(path.dirname(file), { recursive: true });
  const merged = { ...quiet, ...z.record(z.string(), z.unknown()).catch({}).parse(present), ...settings };
  await writeFile(file, `${JSON.stringify(merged, undefined, 2)}\n`);
}
