/** Disk geometry as the footer stores it. */
export interface Geometry {
  cylinders: number;
  heads: number;
  sectorsPerTrack: number;
}

/** The largest geometry that ATA can name; larger disks have it too. */
export const maxGeometrySectors = 65535 * 16 * 255;

/**
 * VHD 1.0, "Appendix: CHS Calculation". The product is the disk's size rounded down.
 * @param totalSectors of 512 bytes
 */
export function geometryOf(totalSectors: number): Geometry {
  const sectors = Math.min(totalSectors, maxGeometrySectors);
  if (sectors >= 65535 * 16 * 63) {
    return cylindersOf(sectors, 16, 255);
  }
  const heads = Math.max(4, Math.ceil(Math.floor(sectors / 17) / 1024));
  if (heads <= 16 && Math.floor(sectors / 17) < heads * 1024) {
    return cylindersOf(sectors, heads, 17);
  }
  return Math.floor(sectors / 31) < 16 * 1024 ? cylindersOf(sectors, 16, 31) : cylindersOf(sectors, 16, 63);
}

function cylindersOf(sectors: number, heads: number, sectorsPerTrack: number): Geometry {
  return { cylinders: Math.floor(Math.floor(sectors / sectorsPerTrack) / heads), heads, sectorsPerTrack };
}
