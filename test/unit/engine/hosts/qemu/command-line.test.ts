import assert from 'node:assert/strict';
import { test } from 'node:test';
import { commandLine, guestArguments, type DiskChain } from '../../../../../engine/hosts/qemu/command-line.ts';
import { socketsIn } from '../../../../../engine/hosts/qemu/sockets-folder.ts';
import { definition } from '../../builders.ts';

const twoDisks = definition({
  name: 'lab, the second',
  cpus: 2,
  disks: [
    { id: 'disk0', virtualSizeBytes: 4096 },
    { id: 'disk1', virtualSizeBytes: 8192 },
  ],
});
const chains: DiskChain[] = [
  {
    diskId: 'disk0',
    nodes: [
      { nodeName: 'disk0-22222222', file: '/h, m/layers/disk0-22222222.qcow2', format: 'qcow2' },
      { nodeName: 'disk0-11111111', file: '/h, m/layers/disk0-11111111.qcow2', format: 'qcow2' },
      { nodeName: 'disk0-base', file: '/h, m/layers/disk0-base.raw', format: 'raw' },
    ],
  },
  {
    diskId: 'disk1',
    nodes: [
      { nodeName: 'disk1-33333333', file: '/h, m/layers/disk1-33333333.qcow2', format: 'qcow2' },
      { nodeName: 'disk1-external', file: '/a,b=c "d".vmdk', format: 'vmdk' },
    ],
  },
];
const wanted = {
  definition: twoDisks,
  machineType: 'pc-q35-7.2',
  accelerator: 'tcg' as const,
  chains,
  sockets: socketsIn('/h, m/run/0a1b2c3d'),
};

/** Options and their values, one pair a line. */
function text(args: string[]): string {
  return args.join('\n').replaceAll(/\n(?=[^-])/g, ' ');
}

const golden = `
-name guest=lab,, the second
-nodefaults
-no-user-config
-display none
-accel tcg
-S
-action panic=pause
-blockdev {"driver":"file","node-name":"disk0-base-f","filename":"/h, m/layers/disk0-base.raw","read-only":true,"auto-read-only":false}
-blockdev {"driver":"raw","node-name":"disk0-base","file":"disk0-base-f","read-only":true}
-blockdev {"driver":"file","node-name":"disk0-11111111-f","filename":"/h, m/layers/disk0-11111111.qcow2","read-only":true,"auto-read-only":false}
-blockdev {"driver":"qcow2","node-name":"disk0-11111111","file":"disk0-11111111-f","read-only":true,"backing":"disk0-base","discard":"unmap"}
-blockdev {"driver":"file","node-name":"disk0-22222222-f","filename":"/h, m/layers/disk0-22222222.qcow2","read-only":false,"auto-read-only":false}
-blockdev {"driver":"qcow2","node-name":"disk0-22222222","file":"disk0-22222222-f","read-only":false,"backing":"disk0-11111111","discard":"unmap"}
-blockdev {"driver":"file","node-name":"disk1-external-f","filename":"/a,b=c \\"d\\".vmdk","read-only":true,"auto-read-only":false}
-blockdev {"driver":"vmdk","node-name":"disk1-external","file":"disk1-external-f","read-only":true,"backing":null}
-blockdev {"driver":"file","node-name":"disk1-33333333-f","filename":"/h, m/layers/disk1-33333333.qcow2","read-only":false,"auto-read-only":false}
-blockdev {"driver":"qcow2","node-name":"disk1-33333333","file":"disk1-33333333-f","read-only":false,"backing":"disk1-external","discard":"unmap"}
-chardev socket,id=serial0,path=/h,, m/run/0a1b2c3d/serial.sock,server=on,wait=off,logfile=/h,, m/run/0a1b2c3d/serial.log
-serial chardev:serial0
-chardev socket,id=agent0,path=/h,, m/run/0a1b2c3d/agent.sock,server=on,wait=off
-netdev user,id=network0
-machine pc-q35-7.2
-cpu max
-smp 2
-m 256M
-uuid 11111111-2222-4333-8444-555555555555
-rtc base=utc
-device virtio-blk-pci,id=disk0,serial=disk0,drive=disk0-22222222,bootindex=1
-device virtio-blk-pci,id=disk1,serial=disk1,drive=disk1-33333333,bootindex=2
-device virtio-rng-pci,id=rng0
-device virtio-serial-pci,id=ports0
-device virtserialport,chardev=agent0,name=org.qemu.guest_agent.0,id=agent0
-device virtio-net-pci,id=net0,netdev=network0,mac=52:54:00:12:34:56,romfile=
-chardev stdio,id=events0,signal=off
-mon chardev=events0,mode=control
-chardev socket,id=monitor0,path=/h,, m/run/0a1b2c3d/monitor.sock,server=on,wait=off
-mon chardev=monitor0,mode=control
-chardev socket,id=status0,path=/h,, m/run/0a1b2c3d/status.sock,server=on,wait=off
-mon chardev=status0,mode=control`.trimStart();

test('two disks, commas in names and paths → every node told, only the tops writable, the guest waits', () => {
  assert.equal(text(commandLine(wanted)), golden);
});

test('a kernel of its own → its command line is one argument, whatever it holds', () => {
  const directBoot = {
    kernel: '/h, m/boot/kernel',
    initrd: '/h, m/boot/initrd',
    commandLine: 'root=/dev/vda -S $(id) ,,',
  };
  assert.deepEqual(commandLine({ ...wanted, directBoot }).slice(-6), [
    ...['-kernel', '/h, m/boot/kernel', '-initrd', '/h, m/boot/initrd'],
    ...['-append', 'root=/dev/vda -S $(id) ,,'],
  ]);
});

test('memory that is restored → from an inherited descriptor', () => {
  assert.deepEqual(commandLine({ ...wanted, incoming: 'fd:3' }).slice(-2), ['-incoming', 'fd:3']);
});

test('what the guest sees → without paths, nodes and sockets: the same wherever the machine lies', () => {
  const seen = guestArguments(twoDisks, 'pc-q35-7.2', 'tcg');
  assert.deepEqual(seen, guestArguments({ ...twoDisks, name: 'renamed' }, 'pc-q35-7.2', 'tcg'));
  assert.ok(!seen.some((argument) => /\/|layers|[0-9]{8}\b.*qcow2/.test(argument)));
  for (const change of [{ cpus: 1 }, { memoryMiB: 512 }, { macAddress: '52:54:00:00:00:01' }, { disks: [] }]) {
    assert.notDeepEqual(guestArguments({ ...twoDisks, ...change }, 'pc-q35-7.2', 'tcg'), seen);
  }
});

test('a machine that was made before its guest could report a panic → as it was saved, without the device', () => {
  const saved = guestArguments(twoDisks, 'pc-q35-7.2', 'tcg');
  assert.ok(!saved.some((argument) => argument.startsWith('pvpanic')));
  const newer = guestArguments({ ...twoDisks, hasPanicDevice: true }, 'pc-q35-7.2', 'tcg');
  assert.deepEqual(
    newer.filter((argument) => !saved.includes(argument)),
    ['pvpanic,id=panic0'],
  );
});
