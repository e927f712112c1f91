import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';

/**
 * Puts a language pack that translates nothing of VS Code itself into a user-data folder: with it VS Code runs in the language,
 * and extensions show their own translations. It is registered in `languagepacks.json`, as VS Code does for one it installs.
 * @param language such as `de`
 */
export async function writeLanguagePack(userDataFolder: string, language: string): Promise<void> {
  const folder = path.join(userDataFolder, 'language-pack');
  const translations = path.join(folder, 'main.i18n.json');
  await mkdir(folder, { recursive: true });
  await writeFile(translations, JSON.stringify({ version: '1.0.0', contents: {} }));
  const pack = {
    hash: language,
    label: language,
    extensions: [{ extensionIdentifier: { id: `test.language-pack-${language}` }, version: '1.0.0' }],
    translations: { vscode: translations },
  };
  await writeFile(path.join(userDataFolder, 'languagepacks.json'), JSON.stringify({ [language]: pack }));
}
