import assert from 'node:assert/strict';
import { access } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { Ckpt, type Refusal } from '../support/ckpt.ts';
import { auditMachine } from '../support/folder-audit.ts';
import { inGuest } from '../support/guest.ts';
import { TestHome } from '../support/test-home.ts';

const variable = '/sys/firmware/efi/efivars/CkptTest-12345678-1234-1234-1234-123456789abc';
const mountVariables =
  'modprobe efivarfs; test -d /sys/firmware/efi/efivars/ && { mount | grep -q efivarfs || mount -t efivarfs efivarfs /sys/firmware/efi/efivars; }';
/** efivarfs takes attributes and value in one write only. */
const writeVariable = `${mountVariables}; printf '\\007\\000\\000\\000hello' > /tmp/variable; cat /tmp/variable > ${variable}`;
const hasVariable = `${mountVariables}; if test -e ${variable}; then tail -c +5 ${variable}; echo; else echo none; fi`;

/** TPM2_HierarchyChangeAuth of the owner, from none to `hi` (TPM 2.0 Part 3, 24.8). */
const ownTpm = tpmCommand('8002 0000001f 00000129 40000001 00000009 40000009 0000 00 0000 0002 6869');
/** TPM2_GetCapability of TPM_PT_PERMANENT, whose lowest bit is ownerAuthSet (Part 2, 8.6). */
const askTpm = tpmCommand('8001 00000016 0000017a 00000006 00000200 00000001');

/** Sends a command to the guest's TPM and prints its answer in hexadecimal. */
function tpmCommand(hex: string): string {
  const bytes = (hex.replaceAll(' ', '').match(/../g) ?? []).map((byte) => `\\x${byte}`).join('');
  return `printf '${bytes}' > /tmp/command; (cat /tmp/command >&3; dd bs=4096 count=1 <&3 2>/dev/null | od -An -v -tx1 | tr -d ' \\n'; echo) 3<>/dev/tpm0`;
}

describe('a machine with UEFI and a TPM', () => {
  const name = 'secure, with a comma';
  let home: TestHome;

  before(async () => {
    home = await TestHome.withGuest();
    const args = ['--image', 'playground', '--firmware', 'uefi', '--tpm'];
    const { machine } = await home.ckpt.run('createMachine', ['create-machine', name, ...args]);
    assert.deepEqual([machine.firmware, machine.tpm], ['uefi', true]);
    await home.ckpt.run('start', ['start', name]);
  });
  after(() => home.remove());

  const guest = (command: string): Promise<string> => inGuest(home.folder, name, (shell) => shell.run(command, 60_000));
  const isOwned = async (): Promise<boolean> => {
    const answer = await guest(askTpm);
    assert.match(answer, /^8001[0-9a-f]{8}00000000/, 'the TPM refused');
    return (Number.parseInt(answer.slice(-2), 16) & 1) === 1;
  };

  it('take with memory → variable written, TPM owned → revert → neither; undo → both', async () => {
    assert.equal(await guest(hasVariable), 'none');
    assert.equal(await isOwned(), false);
    await home.ckpt.run('take', ['take', name, 'clean']);
    await guest(writeVariable);
    assert.match(await guest(ownTpm), /^8002[0-9a-f]{8}00000000/);
    assert.equal(await guest(hasVariable), 'hello');
    assert.equal(await isOwned(), true);

    const { machine } = await home.ckpt.run('revert', ['revert', name]);
    assert.equal(machine.state, 'running');
    assert.equal(await guest(hasVariable), 'none');
    assert.equal(await isOwned(), false);
    await home.ckpt.run('undo', ['undo', name]);
    assert.equal(await guest(hasVariable), 'hello');
    assert.equal(await isOwned(), true);
  });

  it('disks only → started afresh with the variables and the TPM of then', async () => {
    await home.ckpt.run('apply', ['apply', name, 'clean', '--disks-only']);
    await home.ckpt.run('start', ['start', name]);
    assert.equal(await guest(hasVariable), 'none');
    assert.equal(await isOwned(), false);
    assert.deepEqual(await auditMachine(home.machineFolder(name)), { unknown: [], missing: [] });
  });

  it('stopped → its TPM has ended too; doctor is content', async () => {
    await home.ckpt.run('stop', ['stop', name, '--force']);
    await assert.rejects(access(`${home.machineFolder(name)}/run/current-process.json`), { code: 'ENOENT' });
    const { isSound } = await home.ckpt.run('doctor', ['doctor', name]);
    assert.equal(isSound, true);
  });

  it('no swtpm on the PATH → TpmNotFound, with the way to install it', async () => {
    const poor = new Ckpt(home.folder, { PATH: '/nonexistent', VM_CHECKPOINTS_QEMU: '/usr/bin' });
    await assert.rejects(
      poor.run('createMachine', ['create-machine', 'poor', '--image', 'playground', '--tpm']),
      (error: Refusal) => error.error.code === 'TpmNotFound' && /apt install swtpm/.test(error.message),
    );
  });
});
