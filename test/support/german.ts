import { readFileSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import type { Language } from '../../extension/engine/saying-in-words.ts';
import { projectFolder } from './project.ts';

/** The German texts of the extension, by the English ones. */
export const germanTexts: Readonly<Record<string, string>> = z
  .record(z.string(), z.string())
  .parse(JSON.parse(readFileSync(path.join(projectFolder, 'extension/l10n/bundle.l10n.de.json'), 'utf8')));

/**
 * Puts values into texts as VS Code does.
 * @param texts the translations that there are; undefined for a window in English
 * @param missing gets the texts that have none
 */
export function speaking(texts: Readonly<Record<string, string>> | undefined, missing: string[] = []): Language {
  return {
    bundle: texts === undefined ? undefined : { ...texts },
    t: (message: unknown, ...args: unknown[]) => {
      const text = String(message);
      const known = texts?.[text];
      if (texts !== undefined && known === undefined) {
        missing.push(text);
      }
      const [first] = args;
      const values = new Map<string, unknown>(
        Object.entries(typeof first === 'object' && first !== null ? first : args),
      );
      return (known ?? text).replaceAll(/\{(\w+)\}/g, (place, name: string) => {
        const value = values.get(name);
        return typeof value === 'string' || typeof value === 'number' ? String(value) : place;
      });
    },
  };
}

export const german = speaking(germanTexts);
export const english = speaking(undefined);
