import { writeFileSync } from 'node:fs';
import { beginStandIn, standInVerb, whenForsaken } from '../../../../engine/store/stand-in.ts';

/**
 * An engine in little, with the file that its stand-in writes once it acts: `FILE die` waits to be killed, `FILE dismiss` dismisses
 * its stand-in and ends.
 */
const [script = '', first = '', second = ''] = process.argv.slice(1);
if (first === standInVerb) {
  whenForsaken(() => writeFileSync(second, process.argv.slice(2).join(' ')));
} else {
  const program = { command: process.execPath, args: [...process.execArgv, script], env: process.env };
  const standIn = beginStandIn(program, [first], '/vms', (error) => {
    throw error;
  });
  if (second === 'dismiss') {
    standIn.dismiss();
  }
  process.stdout.write(`${second}\n`);
  if (second === 'die') {
    setInterval(() => undefined, 1000);
  }
}
