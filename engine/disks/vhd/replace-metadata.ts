import { dynamicHeaderBytes, type DynamicHeader } from './dynamic-header.ts';
import { changedFooter, diskSizeBytes, sectorBytes, type Footer } from './footer.ts';
import type { SparseImage } from './sparse-image.ts';

/**
 * Changes the footer and its copy, so that a crash leaves the old or the new one. Nothing may be waiting for a flush.
 */
export async function replaceFooter(image: SparseImage, footer: Footer): Promise<void> {
  await image.prepareEnd();
  // Each is one sector. Where they differ the copy counts, so it goes first.
  await image.file.write(footer.bytes, 0);
  await image.file.sync();
  await image.writeEndFooter(image.footerOffset, footer);
  await image.file.sync();
  take(image, footer);
}

/** Writes footer and copy anew when one of them is damaged or differs. */
export async function mendFooters(image: SparseImage): Promise<void> {
  if (image.endProblem !== undefined || image.copyProblem !== undefined) {
    await replaceFooter(image, image.footer);
  }
}

/**
 * Changes footer and header together, so that a crash leaves the old or the new ones. The header is two sectors long, of
 * which a crash may leave one: so the new one is written elsewhere first, and the footer's copy, one sector, is switched to
 * it while the header at its own place is written over. Nothing may be waiting for a flush.
 */
export async function replaceMetadata(image: SparseImage, footer: Footer, header: DynamicHeader): Promise<void> {
  const { file, headerOffset } = image;
  await image.prepareEnd();
  const endOffset = Math.ceil(image.footerOffset / sectorBytes) * sectorBytes;
  const interim = changedFooter(footer, { dataOffset: BigInt(endOffset) });
  const final = changedFooter(footer, { dataOffset: BigInt(headerOffset) });

  await image.writeEndFooter(endOffset + dynamicHeaderBytes, interim);
  await file.write(header.bytes, endOffset);
  await file.sync();
  await file.write(interim.bytes, 0);
  await file.sync();
  await file.write(header.bytes, headerOffset);
  await file.sync();
  await file.write(final.bytes, 0);
  await image.writeEndFooter(endOffset + dynamicHeaderBytes, final);
  await file.sync();
  await image.writeEndFooter(endOffset, final);
  await image.cutBehindFooter();
  await file.sync();

  image.header = header;
  take(image, final);
}

/** Puts bytes where the footer is, and the footer behind them. Durable, and referred to by nothing yet. */
export async function append(image: SparseImage, bytes: Buffer): Promise<number> {
  await image.prepareEnd();
  const offset = Math.ceil(image.footerOffset / sectorBytes) * sectorBytes;
  const end = Math.ceil((offset + bytes.length) / sectorBytes) * sectorBytes;
  await image.writeEndFooter(end);
  const padded = Buffer.alloc(end - offset);
  bytes.copy(padded);
  await image.file.write(padded, offset);
  await image.file.sync();
  return offset;
}

/** The footer moves towards the start and the file ends there; what lies between is not needed. */
export async function cutFile(image: SparseImage, endOffset: number): Promise<void> {
  await image.writeEndFooter(endOffset);
  await image.file.sync();
  await image.cutBehindFooter();
  await image.file.sync();
}

function take(image: SparseImage, footer: Footer): void {
  image.copyProblem = undefined;
  image.footer = footer;
  image.diskBytes = Number(diskSizeBytes(footer.values));
}
