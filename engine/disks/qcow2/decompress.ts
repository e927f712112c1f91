import zlib from 'node:zlib';
import { decompress as decompressInJavaScript } from 'fzstd';
import { inflateInto } from '../raw-inflate.ts';
import { damagedField } from '../structure.ts';
import type { CompressionType } from './header.ts';
import { Semaphore } from './mutex.ts';
import { zstdFrameLength } from './zstd-frame.ts';

/** As many as keep two processors busy; more only hold memory. */
const inFlight = new Semaphore(2);

/**
 * Decompresses one cluster.
 * @param compressed the sectors that hold its data; what follows the end of the data is not looked at
 * @param content as long as a cluster; holds anything when this fails
 * @throws ImageDamaged
 */
export async function decompressCluster(
  compressed: Buffer,
  type: CompressionType,
  content: Buffer,
  path: string,
): Promise<void> {
  // What this cannot decode, or what does not end with the cluster, is looked at in the slower way, which decides.
  if (type === 'zstd' || (await inflateInto?.(compressed, content)) !== true) {
    await inFlight.run(() => decompressInSteps(compressed, type, content, path));
  }
}

async function decompressInSteps(
  compressed: Buffer,
  type: CompressionType,
  content: Buffer,
  path: string,
): Promise<void> {
  const clusterSize = content.length;
  let found: Buffer | undefined;
  try {
    found = type === 'zstd' ? await unzstd(compressed, clusterSize) : await inflate(compressed, clusterSize);
  } catch {
    // The decoders' own errors say nothing that a user could act on.
  }
  if (found?.length !== clusterSize) {
    throw damagedField(path, 'compressed cluster', `its data does not decompress to ${clusterSize} bytes`);
  }
  found.copy(content);
}

/** Raw deflate (RFC 1951). The stream may be cut off where the cluster's content is complete. */
function inflate(compressed: Buffer, clusterSize: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    zlib.inflateRaw(
      compressed,
      { chunkSize: Math.max(clusterSize, 64), maxOutputLength: clusterSize, finishFlush: zlib.constants.Z_SYNC_FLUSH },
      (error, content) => {
        if (error === null) {
          resolve(content);
        } else {
          reject(error);
        }
      },
    );
  });
}

type NativeZstd = (
  compressed: Buffer,
  options: { maxOutputLength: number },
  done: (error: Error | null, content: Buffer) => void,
) => void;

/** Node has Zstandard from 22.15 on. */
const nativeZstd: unknown = Reflect.get(zlib, 'zstdDecompress');

function isNativeZstd(candidate: unknown): candidate is NativeZstd {
  return typeof candidate === 'function';
}

async function unzstd(compressed: Buffer, clusterSize: number): Promise<Buffer | undefined> {
  const pieces: Buffer[] = [];
  let rest = compressed;
  let length = 0;
  // Nearly always one frame; the format allows several.
  while (length < clusterSize) {
    const frameLength = zstdFrameLength(rest, clusterSize - length);
    if (frameLength === undefined) {
      return undefined;
    }
    const piece = await unzstdFrame(rest.subarray(0, frameLength), clusterSize - length);
    length += piece.length;
    pieces.push(piece);
    rest = rest.subarray(frameLength);
  }
  return pieces.length === 1 ? pieces[0] : Buffer.concat(pieces);
}

function unzstdFrame(frame: Buffer, most: number): Promise<Buffer> {
  if (!isNativeZstd(nativeZstd)) {
    const content = decompressInJavaScript(frame);
    return Promise.resolve(Buffer.from(content.buffer, content.byteOffset, content.byteLength));
  }
  const native = nativeZstd;
  return new Promise((resolve, reject) => {
    native(frame, { maxOutputLength: most }, (error, content) => {
      if (error === null) {
        resolve(content);
      } else {
        reject(error);
      }
    });
  });
}
