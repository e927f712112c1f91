import type { MemoryMethod } from '../protocol/machines.ts';

/** The memory of a running machine, with all that must be the same to resume it. */
export interface SavedMemory {
  /** Relative to the machine's folder. */
  file: string;
  /** As it was saved. */
  sizeBytes: number;
  /** Of what was saved, in hexadecimal; absent for memory that was saved before this was put on record. */
  sha256?: string;
  /** Bytes of the file, where what was saved is packed in it (`blocked-gzip.ts`); else these are {@link sizeBytes}. */
  packedBytes?: number;
  /** It was tried, and it does not shrink by enough. */
  isPackable?: false;
  method?: MemoryMethod;
  /** Whether the guest ran or was paused by its user; it comes back in the same state. */
  wasPaused: boolean;
  /** The machine was off with this saved, and comes back as that: its next start resumes it. */
  wasSaved?: true;
  /** What the machine's console showed then; see `console-picture.ts`. */
  console?: string;
  hypervisor: HypervisorIdentity;
}

/** Length of its file. */
export function fileBytesOf({ sizeBytes, packedBytes }: Pick<SavedMemory, 'sizeBytes' | 'packedBytes'>): number {
  return packedBytes ?? sizeBytes;
}

/** QEMU resumes memory only on the same machine: these are compared before it is tried. */
export interface HypervisorIdentity {
  version: string;
  accelerator: string;
  /** Model of the computer's processor, which the guest sees unless QEMU emulates one. */
  processor?: string;
  /** Arguments that the guest can see: machine type, CPU, memory, devices; without paths and sockets. */
  guestArguments: string[];
}
