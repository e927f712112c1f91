/** A value that is JSON text already, so that nobody needs to take it apart and put it together again. */
export class JsonText {
  /** UTF-8; whole only when put together. */
  readonly pieces: readonly Uint8Array[];

  constructor(pieces: readonly Uint8Array[]) {
    this.pieces = pieces;
  }
}
