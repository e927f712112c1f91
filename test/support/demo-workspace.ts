import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';

const readme = `# Five steps to the first revert

1. Open **VM Checkpoints** in the activity bar (the icon on the left edge). Under *Local (QEMU)* there is the machine **playground**.
2. Point at it, press **Start**, then **Open Console**: a root shell inside the machine, here in the editor.
3. Point at the machine again and press **Take Checkpoint**; call it \`before experiment\`.
4. In the console, delete something that matters: \`rm -r /srv/project\`.
5. Point at **Now**, press **Revert**, and confirm. The machine is back, running, exactly as it was. **Undo** in the notification takes even that back.

Then run the task *risky install* (Terminal › Run Task…): it takes a checkpoint of the machine first.
`;

const tasks = `{
  "version": "2.0.0",
  "tasks": [
    {
      "label": "checkpoint playground",
      "type": "vm-checkpoint",
      "machine": "playground",
      "name": "before risky install",
      "problemMatcher": []
    },
    {
      "label": "risky install",
      "type": "shell",
      "command": "echo 'Here something risky would happen in the machine.'",
      "dependsOn": ["checkpoint playground"],
      "dependsOrder": "sequence",
      "problemMatcher": []
    }
  ]
}
`;

/** Makes the folder that `npm start` opens; what its user has changed stays. @returns its path */
export async function demoWorkspace(folder: string): Promise<string> {
  await mkdir(path.join(folder, '.vscode'), { recursive: true });
  await writeNew(path.join(folder, 'README.md'), readme);
  await writeNew(path.join(folder, '.vscode/tasks.json'), tasks);
  return folder;
}

async function writeNew(file: string, content: string): Promise<void> {
  await writeFile(file, content, { flag: 'wx' }).catch((error: unknown) => {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) {
      throw error;
    }
  });
}
