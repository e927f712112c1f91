// Loaded into a real engine before anything else (`node --require`): kills it, or lets a call fail, where CKPT_FAULT says
// (`CALL:KIND`), and writes how many calls changed something into the file that CKPT_FAULT_CALLS names.

import { writeFileSync as write } from 'node:fs';
import { FaultPlan, parseFault } from './fault.ts';
import { interceptChanges } from './intercept.ts';

const plan = new FaultPlan(parseFault(process.env['CKPT_FAULT'] ?? ''));
/** From before anything stood in for it. */
const writeCalls = write;

interceptChanges(() => ({
  isDead: false,
  isSynced: true,
  next: (call, place, needsSpace) => plan.next(call, place, needsSpace),
  die: () => void process.kill(process.pid, 'SIGKILL'),
  began: () => undefined,
  ended: () => undefined,
  opened: () => undefined,
  closed: () => undefined,
}));

process.once('exit', () => {
  const file = process.env['CKPT_FAULT_CALLS'];
  if (file !== undefined) {
    const { calls } = plan;
    writeCalls(file, String(calls));
  }
});
