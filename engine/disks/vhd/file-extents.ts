import type { DiskFile } from '../disk-file.ts';
import type { Extent } from '../disk.ts';

/** Shorter ranges are not worth the question. */
const shortestSearchBytes = 65536;

/** A range that is stored at one place of the file, as extents: holes of the file are zeros that are not stored. */
export async function* storedExtents(
  file: DiskFile,
  offset: number,
  length: number,
  fileOffset: number,
): AsyncGenerator<Extent> {
  const end = offset + length;
  for (let at = offset; at < end;) {
    let dataFrom = at;
    let dataTo = end;
    if (file.nextData !== undefined && end - at >= shortestSearchBytes) {
      const found = await file.nextData(fileOffset + at - offset);
      dataFrom = found === undefined ? end : Math.min(end, Math.max(at, found.offset - fileOffset + offset));
      dataTo = found === undefined ? end : Math.min(end, found.offset + found.length - fileOffset + offset);
    }
    if (dataFrom > at) {
      yield { offset: at, length: dataFrom - at, state: 'zero' };
    }
    if (dataTo > dataFrom) {
      yield { offset: dataFrom, length: dataTo - dataFrom, state: 'data', fileOffset: fileOffset + dataFrom - offset };
    }
    at = Math.max(dataTo, dataFrom);
  }
}
