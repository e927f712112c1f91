import type { ImageFile } from './image-file.ts';

const partBytes = 64 * 1024;

/** A table as it is on the disk, part by part: always the same buffer. Beyond the file's end it is zero. */
export async function* tableParts(
  image: ImageFile,
  offset: number,
  length: number,
): AsyncGenerator<{ bytes: Buffer; offset: number }> {
  const buffer = Buffer.allocUnsafe(Math.min(partBytes, length));
  for (let done = 0; done < length; done += partBytes) {
    const bytes = buffer.subarray(0, Math.min(partBytes, length - done));
    await image.read(bytes, offset + done);
    yield { bytes, offset: offset + done };
  }
}
