import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { folderOf } from '../../temporary-folder.ts';
import { Client } from '../client.ts';

const uri = 'file:///work/.vscode/tasks.json';
const text = '{ "tasks": [{ "type": "vm-checkpoint", "machine": "nowhere" }] }';

interface Diagnostics {
  uri: string;
  diagnostics: { message: string }[];
}

for (const [locale, said] of [
  ['de', /^Es gibt keine Maschine „nowhere“/],
  ['fr', /^There is no machine “nowhere”/],
] as const) {
  test(
    `what is wrong with a file is said in the language of the client: ${locale}`,
    { timeout: 30_000 },
    async (context) => {
      const client = await Client.start(context, path.join(await folderOf(context), 'home'), locale);
      const published = new Promise<Diagnostics>((resolve) => {
        client.connection.onNotification('textDocument/publishDiagnostics', resolve);
      });
      const textDocument = { uri, languageId: 'jsonc', version: 1, text };
      await client.connection.sendNotification('textDocument/didOpen', { textDocument });
      assert.match((await published).diagnostics[0]?.message ?? '', said);
    },
  );
}
