import { randomInt } from 'node:crypto';

/** Geometry that an IDE disk reports at most. */
const mostCylinders = 16383;
const heads = 16;
const sectorsPerTrack = 63;

/** A content id: neither "no parent" nor the value that means a longer id. */
export function newContentId(): string {
  return randomInt(1, 0xfffffff0).toString(16).padStart(8, '0');
}

/**
 * The text that goes into a new image of one file.
 * @param fileName the image's own name, which its extent line repeats
 */
export function descriptorText(
  createType: 'monolithicSparse' | 'streamOptimized',
  capacitySectors: number,
  fileName: string,
): string {
  const cylinders = Math.min(mostCylinders, Math.max(1, Math.floor(capacitySectors / (heads * sectorsPerTrack))));
  return [
    '# Disk DescriptorFile',
    'version=1',
    'encoding="UTF-8"',
    `CID=${newContentId()}`,
    'parentCID=ffffffff',
    `createType="${createType}"`,
    '',
    '# Extent description',
    `RW ${capacitySectors} SPARSE "${nameForDescriptor(fileName)}"`,
    '',
    '# The Disk Data Base',
    '#DDB',
    '',
    'ddb.virtualHWVersion = "4"',
    `ddb.geometry.cylinders = "${cylinders}"`,
    `ddb.geometry.heads = "${heads}"`,
    `ddb.geometry.sectors = "${sectorsPerTrack}"`,
    'ddb.adapterType = "ide"',
    '',
  ].join('\n');
}

/** Nothing reads the name of a disk that is one file; it only must not break the line. */
function nameForDescriptor(fileName: string): string {
  // eslint-disable-next-line no-control-regex -- control characters would end the line
  return fileName.replace(/[\x00-\x1f\x7f"/\\:]/g, '_').slice(0, 100);
}
