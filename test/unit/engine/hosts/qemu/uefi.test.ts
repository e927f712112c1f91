import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { descriptorFolders, findUefi, newVariables } from '../../../../../engine/hosts/qemu/uefi.ts';
import { CheckpointError } from '../../../../../engine/model/checkpoint-error.ts';
import { folderOf } from '../../temporary-folder.ts';

const qemu = { emulator: '/usr/bin/qemu-system-x86_64', version: '7.2.22', machineType: 'pc-q35-7.2' };

/** Writes firmware with variables of so many bytes, and a descriptor of it. */
async function firmware(
  folder: string,
  name: string,
  variablesBytes: number,
  change: { features?: string[]; machines?: string[]; interfaces?: string[] } = {},
): Promise<string> {
  const [code, template] = [path.join(folder, `${name}-code.fd`), path.join(folder, `${name}-variables.fd`)];
  await writeFile(code, Buffer.alloc(4096, 1));
  await writeFile(template, Buffer.alloc(variablesBytes, 2));
  const descriptor = {
    description: name,
    'interface-types': change.interfaces ?? ['uefi'],
    mapping: {
      device: 'flash',
      executable: { filename: code, format: 'raw' },
      'nvram-template': { filename: template, format: 'raw' },
    },
    targets: [{ architecture: 'x86_64', machines: change.machines ?? ['pc-i440fx-*', 'pc-q35-*'] }],
    features: change.features ?? [],
    tags: [],
  };
  await mkdir(path.join(folder, 'descriptors'), { recursive: true });
  await writeFile(path.join(folder, 'descriptors', `${name}.json`), JSON.stringify(descriptor));
  return code;
}

test('several descriptors → the first by name that suits; secure boot, other machines, BIOS and what is broken are passed over', async (context) => {
  const folder = await folderOf(context);
  await firmware(folder, '10-secure', 8192, { features: ['requires-smm', 'secure-boot'] });
  await firmware(folder, '20-other', 8192, { machines: ['microvm'] });
  await firmware(folder, '30-bios', 8192, { interfaces: ['bios'] });
  const code = await firmware(folder, '50-good', 8192);
  await firmware(folder, '60-later', 8192);
  const descriptors = path.join(folder, 'descriptors');
  await writeFile(path.join(descriptors, '05-empty.json'), '');
  await writeFile(path.join(descriptors, '06-array.json'), '[]');
  const found = await findUefi(qemu, undefined, [path.join(folder, 'none'), descriptors]);
  assert.equal(found.code, code);
  assert.deepEqual(await newVariables(found), Buffer.alloc(8192, 2));
});

test('variables of a machine → firmware that takes as many bytes, else FirmwareNotFound with the package', async (context) => {
  const folder = await folderOf(context);
  await firmware(folder, '10-large', 16_384);
  const code = await firmware(folder, '20-small', 8192);
  const descriptors = [path.join(folder, 'descriptors')];
  assert.equal((await findUefi(qemu, 8192, descriptors)).code, code);
  await assert.rejects(findUefi(qemu, 4096, descriptors), (error) => {
    assert.ok(error instanceof CheckpointError);
    assert.equal(error.code, 'FirmwareNotFound');
    assert.match(error.message, /4096 bytes/);
    return true;
  });
  await assert.rejects(findUefi(qemu, undefined, []), { code: 'FirmwareNotFound' });
});

test('descriptors lie in the order of importance: the user, the administrator, QEMU', () => {
  const folders = descriptorFolders('/opt/homebrew/bin/qemu-system-x86_64', { HOME: '/home/me' });
  assert.deepEqual(folders.slice(0, 3), [
    '/home/me/.config/qemu/firmware',
    '/etc/qemu/firmware',
    '/opt/homebrew/share/qemu/firmware',
  ]);
});
