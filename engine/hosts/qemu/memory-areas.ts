/** A part of a process' memory: offsets in bytes. */
export interface MemoryRange {
  start: number;
  end: number;
}

/** An area of a process' memory, and how much of it is in memory, in small pages or huge ones: bytes. */
export interface MemoryArea extends MemoryRange {
  residentBytes: number;
  hugeBytes: number;
}

/**
 * The areas for which a QEMU asked for huge pages (`hg`): those of its guest's memory. It asks for them for what it translated, too,
 * which is executed.
 * @param smaps proc_pid_smaps(5)
 */
export function guestAreas(smaps: string): MemoryArea[] {
  return smaps
    .split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m)
    .filter((area) => /^VmFlags:.* hg\b/m.test(area))
    .flatMap((area) => {
      const [, start, end] = /^([0-9a-f]+)-([0-9a-f]+) rw-/.exec(area) ?? [];
      return start === undefined || end === undefined
        ? []
        : [
            {
              start: parseInt(start, 16),
              end: parseInt(end, 16),
              residentBytes: kibibytes(area, 'Rss') * 1024,
              hugeBytes: kibibytes(area, 'AnonHugePages') * 1024,
            },
          ];
    });
}

function kibibytes(area: string, field: string): number {
  return Number(new RegExp(`^${field}: +(\\d+) kB$`, 'm').exec(area)?.[1] ?? 0);
}
