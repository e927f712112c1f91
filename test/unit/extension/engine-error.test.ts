import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkpointErrorRpcCode, errorCodes } from '../../../engine/protocol/errors.ts';
import { EngineError, engineErrorFrom } from '../../../extension/engine/engine-error.ts';
import { isSilent, waysOut } from '../../../extension/operations/ways-out.ts';

function rpcError(code: number, message: string, data?: unknown): Error {
  return Object.assign(new Error(message), { code, data });
}

test("an answer with the engine's error keeps its code, sentence and data", () => {
  const wire = { code: 'Locked', message: 'Machine “playground” is busy.', data: { holder: 42 } };
  const error = engineErrorFrom(rpcError(checkpointErrorRpcCode, 'Request failed', wire));
  assert.deepEqual([error.code, error.message, error.data], ['Locked', wire.message, wire.data]);
});

test('an error that does not hold what it should is an internal one', () => {
  for (const data of [undefined, null, 'Locked', { code: 'NoSuchCode', message: 'x', data: {} }, { code: 'Locked' }]) {
    assert.equal(engineErrorFrom(rpcError(checkpointErrorRpcCode, 'Request failed', data)).code, 'Internal');
  }
  assert.equal(engineErrorFrom('thrown text').message, 'thrown text');
});

test('a cancelled request, and one that lost its engine, are told apart from failures', () => {
  assert.equal(engineErrorFrom(rpcError(-32800, 'cancelled')).code, 'Cancelled');
  assert.equal(engineErrorFrom(rpcError(-32097, 'connection got disposed')).code, 'EngineEnded');
  assert.ok(isSilent('Cancelled') && isSilent('EngineEnded') && !isSilent('Internal'));
});

test('an engine error passes through', () => {
  const error = new EngineError('EngineNotRunning', 'It is not running.');
  assert.equal(engineErrorFrom(error), error);
});

test('ways out by code', () => {
  assert.deepEqual(waysOut('Locked'), ['retry', 'showLog']);
  assert.deepEqual(waysOut('GuestNotResponding'), ['forceOff', 'retry']);
  assert.deepEqual(waysOut('MachineRunning'), ['shutDown', 'refresh']);
  assert.ok(errorCodes.every((code) => Array.isArray(waysOut(code))));
});
