import type { Command } from 'commander';
import { parseParams } from '../checkpoints/operation-params.ts';
import type { Finding } from '../protocol/doctor.ts';
import type { Output } from './output.ts';
import { findingText } from './remedy-text.ts';
import { pick, runVerb, verb, type CommonOptions } from './verb.ts';

/**
 * `ckpt doctor`.
 * @param fail called when something is wrong that was not repaired
 */
export function addDoctorVerb(program: Command, output: Output, fail: () => void): void {
  verb(program, 'doctor [machine]', 'look machines over for what is broken, changed or lost')
    .option('--deep', 'read the whole content of every frozen layer')
    .option('--repair', 'mend what can be mended without losing anything')
    .option('--accept-changed', 'take layers that were changed behind our back as they are')
    .action((machine: string | undefined, options: CommonOptions & Record<string, unknown>) =>
      runVerb(output, options, async ({ doctor }, call) => {
        const given = pick(options, ['deep', 'repair', 'acceptChanged']);
        const result = await doctor.doctor(
          parseParams('doctor', { ...(machine === undefined ? {} : { machine }), ...given }),
          call,
        );
        const tell = (where: string, findings: readonly Finding[]): string[] =>
          findings.map((one) => `${where}: ${one.isRepaired ? 'repaired' : one.severity}: ${findingText(one)}`);
        const lines = [
          ...result.machines.flatMap(({ machine: name, findings }) => tell(name, findings)),
          ...tell('all', result.home),
        ];
        output.result(result, lines.length === 0 ? 'Nothing is wrong.' : lines.join('\n'));
        if (!result.isSound) {
          fail();
        }
      }),
    );
}
