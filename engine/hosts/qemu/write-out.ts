import { linuxCall } from '../../disks/libc.ts';

/** What is handed to the disk at a time. */
const pieceBytes = 32 * 1024 * 1024;

/** sync_file_range(2) of Linux. */
const syncRange = linuxCall<[fd: number, offset: number, length: number, flags: number]>(
  'int sync_file_range(int fd, int64_t offset, int64_t length, uint flags)',
);
/** `SYNC_FILE_RANGE_WRITE`: begins to write, and does not wait for it. */
const beginWriting = 2;

/**
 * Has a growing file written to the disk meanwhile. The system would hold it back until somebody asks for all of it to be durable,
 * and has to wait then: half a second for 700 MiB. Does nothing where the system has no such call. Nothing is durable by this.
 */
export class WriteOut {
  readonly #fd: number;
  #begunBytes = 0;
  #underWay: Promise<void> | undefined;

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** @param bytes how much of the file there is */
  upTo(bytes: number): void {
    const length = bytes - this.#begunBytes;
    if (syncRange === undefined || this.#underWay !== undefined || length < pieceBytes) {
      return;
    }
    const from = this.#begunBytes;
    this.#begunBytes = bytes;
    this.#underWay = new Promise((resolve) => {
      syncRange.async(this.#fd, from, length, beginWriting, () => {
        this.#underWay = undefined;
        resolve();
      });
    });
  }

  /** The file may be closed afterwards. */
  async end(): Promise<void> {
    await this.#underWay;
  }
}
