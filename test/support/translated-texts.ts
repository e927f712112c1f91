import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';
import { sentences } from '../../engine/protocol/sentences.ts';
import { projectFolder } from './project.ts';

/**
 * Every text that the extension shows by `vscode.l10n.t`, those of the engine's sentences among them, sorted.
 * @throws when one is put together by the code, so that no translation could be found for it
 */
export function translatedTexts(): string[] {
  const folder = path.join(projectFolder, 'extension');
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
  return [...new Set(files.flatMap((file) => textsOf(path.join(folder, file))))].toSorted();
}

function textsOf(file: string): string[] {
  const source = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest);
  const texts: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && /(?:^|\.)l10n\.t$/.test(node.expression.getText(source))) {
      const [text] = node.arguments;
      if (text !== undefined && ts.isElementAccessExpression(text) && text.expression.getText(source) === 'sentences') {
        texts.push(...Object.values(sentences));
        return;
      }
      if (text === undefined || !ts.isStringLiteralLike(text)) {
        throw new Error(`${file}: ${node.getText(source)} has no text that could be translated`);
      }
      texts.push(text.text);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return texts;
}
