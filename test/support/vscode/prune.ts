import { existsSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';

/** Large parts that no test needs, relative to the installation. */
const unneeded = [
  'node/include',
  'node/share',
  'code-server/lib/vscode/extensions/copilot',
  'code-server/lib/vscode/extensions/mermaid-markdown-features',
  'code-server/lib/vscode/node_modules/@github',
  'code-server/lib/vscode/node_modules/@microsoft/mxc-sdk',
];

/** Folders with one subfolder for each platform, named like `linux-x64`. */
const byPlatform = [
  'code-server/lib/vscode/node_modules/@vscode/ripgrep-universal/bin',
  'code-server/lib/vscode/node_modules/node-pty/prebuilds',
];

/** Deletes what an installation does not need, about half of it: agents, source maps, other platforms' binaries. */
export async function pruneInstallation(root: string): Promise<void> {
  for (const folder of unneeded) await rm(path.join(root, folder), { recursive: true, force: true });
  for (const folder of byPlatform) {
    const absolute = path.join(root, folder);
    if (!existsSync(absolute)) continue;
    for (const platform of await readdir(absolute)) {
      if (platform !== `${process.platform}-${process.arch}`)
        await rm(path.join(absolute, platform), { recursive: true });
    }
  }
  const out = path.join(root, 'code-server/lib/vscode/out');
  for (const file of await readdir(out, { recursive: true })) {
    if (file.endsWith('.js.map')) await rm(path.join(out, file));
  }
}
