import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { CheckpointError, isAbort, systemCode } from '../model/checkpoint-error.ts';
import type { ImageInfo } from '../protocol/machines.ts';
import { readRecord, writeRecord } from '../store/atomic-file.ts';
import type { Home } from '../store/home.ts';
import { imageRecord, type ImageRecord } from '../store/records.ts';
import type { Call } from './engine-context.ts';
import { signalOf } from './engine-context.ts';

/** An image that its makers publish; downloaded on first use and checked against their checksum. */
interface PublishedImage {
  url: string;
  record: ImageRecord;
}

/**
 * CirrOS 0.6.2, a small test distribution for clouds (GPL-2.0 and others). Address: the project's release folder, which has
 * MD5 sums only; the SHA-256 is the one that Metal3 publishes beside its copy of the image.
 */
const published: PublishedImage[] = [
  {
    url: 'https://download.cirros-cloud.net/0.6.2/cirros-0.6.2-x86_64-disk.img',
    record: {
      schema: 1,
      name: 'cirros',
      description: 'CirrOS 0.6.2, a tiny Linux for trying things (20 MiB download).',
      disk: {
        file: 'cirros-0.6.2-x86_64-disk.img',
        format: 'qcow2',
        sha256: '07e44a73e54c94d988028515403c1ed762055e01b83a767edf3c2b387f78ce00',
      },
      memoryMiB: 256,
      cpus: 1,
      login: 'user cirros, password gocubsgo',
    },
  },
];

/** An installed image: its record and its folder. */
export interface InstalledImage {
  record: ImageRecord;
  folder: string;
}

/** Everything that a machine can be created from. */
export async function listImages(home: Home): Promise<ImageInfo[]> {
  const installed = await installedImages(home);
  const names = new Set(installed.map(({ record }) => record.name));
  return [
    ...installed.map(({ record }) => toInfo(record, true)),
    ...published.filter(({ record }) => !names.has(record.name)).map(({ record }) => toInfo(record, false)),
  ];
}

function toInfo(record: ImageRecord, installed: boolean): ImageInfo {
  const { name, description, memoryMiB, cpus, login } = record;
  return { name, description, installed, memoryMiB, cpus, ...(login === undefined ? {} : { login }) };
}

/**
 * The named image, downloaded if it has to be.
 * @throws ImageNotFound, DownloadFailed, ImageDamaged
 */
export async function requireImage(home: Home, name: string, call: Call): Promise<InstalledImage> {
  const installed = (await installedImages(home)).find(({ record }) => record.name === name);
  if (installed !== undefined) {
    await verify(path.join(installed.folder, installed.record.disk.file), installed.record);
    return installed;
  }
  const image = published.find(({ record }) => record.name === name);
  if (image === undefined) {
    const names = (await listImages(home)).map((known) => known.name).join(', ');
    throw new CheckpointError('ImageNotFound', `There is no image “${name}” in the catalogue. It has: ${names}.`, {
      image: name,
    });
  }
  return download(home, image, call);
}

async function installedImages(home: Home): Promise<InstalledImage[]> {
  let names: string[];
  try {
    names = await readdir(home.images);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') {
      return [];
    }
    throw error;
  }
  const found = await Promise.all(
    names
      .filter((name) => !name.startsWith('.'))
      .sort()
      .map(async (name) => {
        const folder = path.join(home.images, name);
        const record = await readImageRecord(path.join(folder, 'image.json'));
        return record === undefined ? [] : [{ record, folder }];
      }),
  );
  return found.flat();
}

async function readImageRecord(file: string): Promise<ImageRecord | undefined> {
  try {
    return await readRecord(file, imageRecord);
  } catch (error) {
    if (error instanceof CheckpointError && error.code === 'MachineDamaged') {
      throw new CheckpointError(
        'ImageDamaged',
        `The catalogue file ${file} cannot be believed: ${String(error.data['problem'])}. Remove its folder and try again.`,
        error.data,
      );
    }
    throw error;
  }
}

async function download(home: Home, image: PublishedImage, call: Call): Promise<InstalledImage> {
  const { record, url } = image;
  home.volume.requireThere();
  await mkdir(home.images, { recursive: true, mode: 0o700 });
  const staging = await mkdtemp(path.join(home.images, '.download-'));
  try {
    call.report?.(`Downloading ${record.name}`);
    const file = path.join(staging, record.disk.file);
    try {
      const response = await fetch(url, signalOf(call));
      if (!response.ok || response.body === null) {
        throw new Error(`the server answered ${response.status}`);
      }
      await pipeline(Readable.fromWeb(response.body), createWriteStream(file, { flags: 'wx' }), signalOf(call));
    } catch (error) {
      if (isAbort(error)) {
        throw error;
      }
      const reason = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
      throw new CheckpointError(
        'DownloadFailed',
        `The image “${record.name}” could not be downloaded from ${url}: ${reason}. Check the connection, or create the machine from a disk of your own.`,
        { url },
        { cause: error },
      );
    }
    await verify(file, record);
    await writeRecord(path.join(staging, 'image.json'), record);
    const folder = path.join(home.images, record.name);
    await rename(staging, folder);
    return { record, folder };
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

async function verify(file: string, record: ImageRecord): Promise<void> {
  const found = await checksum(file);
  if (found !== record.disk.sha256) {
    throw new CheckpointError(
      'ImageDamaged',
      `The image file ${file} is ${found === undefined ? 'missing' : 'not the one that was published (its checksum differs)'}. Remove its folder and try again.`,
      {
        path: file,
        expected: record.disk.sha256,
        found,
      },
    );
  }
}

async function checksum(file: string): Promise<string | undefined> {
  const hash = createHash('sha256');
  try {
    await pipeline(createReadStream(file), hash);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') {
      return undefined;
    }
    throw error;
  }
  return hash.digest('hex');
}
