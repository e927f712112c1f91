import { PassThrough, type Writable } from 'node:stream';

/**
 * A way to a client that may be gone: what is written then goes nowhere, without an error. What is under way for it goes on to
 * its end or is undone, and would otherwise be cut off by the first message that nobody reads.
 * @param onGone called once when nobody reads any more
 */
export function clientOutput(stream: Writable, onGone: () => void): Writable {
  const output = new PassThrough();
  output.pipe(stream);
  stream.on('error', () => {
    output.unpipe(stream);
    output.resume();
    onGone();
  });
  return output;
}
