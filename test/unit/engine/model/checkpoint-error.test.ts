import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CheckpointError, toWireError } from '../../../../engine/model/checkpoint-error.ts';

function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: it failed, open '/a/b'`), { code, path: '/a/b' });
}

test('a CheckpointError → its code, sentence and data', () => {
  const error = new CheckpointError('ParentMismatch', 'The parent changed. Restore it.', { path: '/a' });
  assert.deepEqual(toWireError(error), {
    code: 'ParentMismatch',
    message: 'The parent changed. Restore it.',
    data: { path: '/a' },
  });
});

for (const code of ['EACCES', 'EPERM', 'EROFS']) {
  test(`${code} of the system → PermissionDenied, with the path`, () => {
    const wire = toWireError(systemError(code));
    assert.equal(wire.code, 'PermissionDenied');
    assert.match(wire.message, /\/a\/b/);
    assert.deepEqual(wire.data, { path: '/a/b', systemCode: code });
  });
}

for (const code of ['ENOSPC', 'EDQUOT']) {
  test(`${code} of the system → NotEnoughSpace`, () => {
    assert.equal(toWireError(systemError(code)).code, 'NotEnoughSpace');
  });
}

for (const [code, wire, way] of [
  ['EFBIG', 'NotEnoughSpace', /another volume/],
  ['EIO', 'Internal', /may be failing/],
  ['EMFILE', 'Internal', /ulimit -n/],
  ['ENFILE', 'Internal', /ulimit -n/],
] as const) {
  test(`${code} of the system → ${wire}, with a way out`, () => {
    const error = toWireError(systemError(code));
    assert.equal(error.code, wire);
    assert.match(error.message, way);
  });
}

test('an aborted signal → Cancelled', () => {
  const signal = AbortSignal.abort();
  assert.throws(
    () => signal.throwIfAborted(),
    (error) => toWireError(error).code === 'Cancelled',
  );
});

test('anything else → Internal: its first line as one sentence, no stack', () => {
  const wire = toWireError(new Error('cannot read x\n    at secret.ts:1'));
  assert.equal(wire.code, 'Internal');
  assert.equal(wire.message, 'Something unexpected went wrong: cannot read x. The log has the details.');
  assert.equal(toWireError('a text').code, 'Internal');
  assert.equal(toWireError(undefined).code, 'Internal');
});
