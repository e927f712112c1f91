import type { DiskFormat } from '../model/machine.ts';
import type { FormatDriver } from './disk.ts';
import { qcow2Driver } from './qcow2/driver.ts';
import { rawDriver } from './raw/driver.ts';
import { vhdDriver } from './vhd/driver.ts';
import { vhdxDriver } from './vhdx/driver.ts';
import { vmdkDriver } from './vmdk/driver.ts';

const drivers: Readonly<Record<DiskFormat, FormatDriver>> = {
  raw: rawDriver,
  vhd: vhdDriver,
  vhdx: vhdxDriver,
  qcow2: qcow2Driver,
  vmdk: vmdkDriver,
};

export function driverOf(format: DiskFormat): FormatDriver {
  return drivers[format];
}
