/** Reading and changing JSON texts that people write, comments and layout included. */
import { applyEdits, findNodeAtLocation, getNodeValue, modify, type JSONPath, type Node } from 'jsonc-parser';

/** The value of a member of an object; undefined for one that is not there. */
export function memberOf(object: Node, name: string): unknown {
  const node = findNodeAtLocation(object, [name]);
  const value: unknown = node && getNodeValue(node);
  return value;
}

/** The text with another value at a place, or with one more in a list there. What leads to the place is made. */
export function changed(text: string, place: JSONPath, value: unknown, isArrayInsertion = false): string {
  const indent = /\n([ \t]+)"/.exec(text)?.[1] ?? '  ';
  const formattingOptions = {
    insertSpaces: !indent.startsWith('\t'),
    tabSize: indent.startsWith('\t') ? 1 : indent.length,
    eol: text.includes('\r\n') ? '\r\n' : '\n',
  };
  return applyEdits(text, modify(text, place, value, { isArrayInsertion, formattingOptions }));
}
