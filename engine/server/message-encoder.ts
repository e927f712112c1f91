import type { ContentTypeEncoder, Message } from 'vscode-languageserver/node';
import { JsonText } from '../model/json-text.ts';

/** Encodes messages as the library does, but lets a result through that is JSON text already. */
export const messageEncoder: ContentTypeEncoder = {
  name: 'application/json',
  encode(message) {
    const { result, ...envelope }: Message & { result?: unknown } = message;
    return Promise.resolve(
      result instanceof JsonText
        ? Buffer.concat([
            Buffer.from(`${JSON.stringify(envelope).slice(0, -1)},"result":`),
            ...result.pieces,
            Buffer.from('}'),
          ])
        : Buffer.from(JSON.stringify(message)),
    );
  },
};
