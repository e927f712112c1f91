import type { WriteRehearsal } from '../disk-file.ts';
import type { Fault, LongCall } from '../disk.ts';
import { openLayer, type OpenImage } from '../open-chain.ts';

export interface CheckOptions extends OpenImage, LongCall {
  repair: boolean;
  /** Of the repair. */
  rehearsal?: WriteRehearsal;
}

/**
 * Looks for faults in one image's structures, and mends them when told to. Its parents need not be there.
 * @returns every fault, also those that were mended
 */
export async function check(image: string, options: CheckOptions): Promise<Fault[]> {
  const layer = await openLayer(image, options.repair ? (options.rehearsal ?? 'write') : 'read', options);
  try {
    return await layer.check(options);
  } finally {
    await layer.close();
  }
}
