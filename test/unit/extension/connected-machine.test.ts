import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostOf, isConnectedTo } from '../../../extension/machines/connected-machine.ts';

const hex = (json: object): string => Buffer.from(JSON.stringify(json)).toString('hex');

test('the host of an authority, with and without user and port, and as Remote-SSH encodes it', () => {
  const hosts: [authority: string, host: string | undefined][] = [
    ['ssh-remote+web', 'web'],
    ['ssh-remote+web.example', 'web.example'],
    ['ssh-remote+me@web.example:2222', 'web.example'],
    ['ssh-remote+me%40web%3A2222', 'web'],
    [`ssh-remote+${hex({ hostName: 'Web Server', user: 'me', port: 2222 })}`, 'Web Server'],
    ['ssh-remote+[::1]:22', '[::1]'],
    ['ssh-remote+cafe', 'cafe'],
    [`ssh-remote+${hex({ other: 1 })}`, hex({ other: 1 })],
    ['ssh-remote+%', '%'],
    ['ssh-remote', undefined],
    ['', undefined],
  ];
  for (const [authority, host] of hosts) {
    assert.equal(hostOf(authority), host, authority);
  }
});

test('a window is connected to the machine that its host is called like', () => {
  const connected = (machine: string, authority: string, remoteName: string | undefined = 'ssh-remote'): boolean =>
    isConnectedTo(machine, { remoteName, authorities: [authority] });
  assert.equal(connected('web', 'ssh-remote+web'), true);
  assert.equal(connected('Web', 'ssh-remote+me@WEB.example:2222'), true);
  assert.equal(connected('web', 'tunnel+web', 'tunnel'), true);
  assert.equal(connected('web', 'ssh-remote+web-2'), false);
  assert.equal(connected('example', 'ssh-remote+web.example'), false);
  assert.equal(connected('web', 'wsl+web', 'wsl'), false, 'no machine of ours');
  assert.equal(isConnectedTo('web', { remoteName: undefined, authorities: ['ssh-remote+web'] }), false);
  assert.equal(isConnectedTo('web', { remoteName: 'ssh-remote', authorities: [''] }), false, 'beside the disks');
});
