import { once } from 'node:events';
import { Argument, InvalidArgumentError, Option, type Command } from 'commander';
import { parseParams } from '../checkpoints/operation-params.ts';
import type { DiskInfo, MappedExtent } from '../protocol/disks.ts';
import type { Output } from './output.ts';
import { plannable, runPlanned } from './planned-verb.ts';
import { pick, runVerb, verb as newVerb, type CommonOptions } from './verb.ts';

const formats = ['raw', 'vhd', 'vhdx', 'qcow2', 'vmdk'];

type DiskOptions = CommonOptions & Record<string, unknown>;

/**
 * `ckpt disk VERB`: operations on disk images, with no machine and no hypervisor.
 * @param fail called when the verb has found what its exit code is to tell
 */
export function addDiskVerbs(program: Command, output: Output, fail: () => void): void {
  const disk = program.command('disk').description('work on disk images: VHDX, VHD, qcow2, VMDK and raw');
  const verb = (usage: string, description: string): Command =>
    newVerb(disk, usage, description)
      .addOption(
        new Option('--from <format>', 'format of the image, or of the parent, when its content cannot tell').choices(
          formats,
        ),
      )
      .option(
        '--allow-parents <folder>',
        "a folder that parents may lie in besides the image's own (repeatable)",
        collect,
      );
  const run = (options: CommonOptions, action: Parameters<typeof runVerb>[2]): Promise<void> =>
    runVerb(output, options, action);
  const common = ['from', 'allowParents'];
  const planned = (usage: string, description: string): Command => plannable(verb(usage, description));

  verb('info <file>', 'show what an image is').action((file: string, options: DiskOptions) =>
    run(options, async ({ disks }, call) => {
      const info = await disks.diskInfo(parseParams('diskInfo', { file, ...pick(options, common) }), call);
      output.result(info, infoText(info));
    }),
  );

  withNewDisk(planned('create <file>', 'make an empty image, or a differencing layer on a parent'))
    .addOption(new Option('--to <format>', 'its format').choices(formats).makeOptionMandatory())
    .addOption(new Option('--size <bytes>', 'size of the disk, such as 10737418240 or 10G').argParser(size))
    .option('--parent <file>', 'the image that it differs from')
    .action((file: string, options: DiskOptions) => {
      const given = {
        file,
        ...pick(options, [...common, 'to', 'parent']),
        ...newDisk(options),
        ...sized(options['size']),
      };
      return runPlanned(output, options, 'diskCreate', given, async ({ disks }, params, call) => {
        const info = await disks.diskCreate(params, call);
        output.result(info, infoText(info));
      });
    });

  verb('chain <file>', 'find and verify all parents').action((file: string, options: DiskOptions) =>
    run(options, async ({ disks }, call) => {
      const chain = await disks.diskChain(parseParams('diskChain', { file, ...pick(options, common) }), call);
      output.result(chain, chain.layers.map((layer) => `${layer.file}  ${layer.format}`).join('\n'));
    }),
  );

  verb('map <file>', 'show where each part of the content lies')
    .addOption(snapshot())
    .addOption(new Option('--offset <bytes>', 'where to begin').argParser(size))
    .addOption(new Option('--limit <number>', 'how many extents at most').argParser(wholeNumber))
    .action((file: string, options: DiskOptions) =>
      run(options, async ({ disks }, call) => {
        const map = await disks.diskMap(
          parseParams('diskMap', { file, ...pick(options, [...common, 'snapshot', 'offset', 'limit']) }),
          call,
        );
        const more = map.nextOffset === undefined ? [] : [`… more from --offset ${map.nextOffset}`];
        output.result(map, [...map.extents.map(extentText), ...more].join('\n'));
      }),
    );

  planned('check <file>', 'look for faults; exit code 1 when content is or may be wrong')
    .option('--repair', 'mend what can be mended')
    .action((file: string, options: DiskOptions) => {
      const given = { file, ...pick(options, [...common, 'repair']) };
      return runPlanned(output, options, 'diskCheck', given, async ({ disks }, params, call) => {
        const checked = await disks.diskCheck(params, call);
        const lines = checked.faults.map(
          (fault) => `${fault.isRepaired ? 'repaired' : fault.severity}: ${fault.message} [${fault.field}]`,
        );
        output.result(
          checked,
          [...lines, checked.isSound ? 'The content is sound.' : 'Content is or may be wrong.'].join('\n'),
        );
        if (!checked.isSound) {
          fail();
        }
      });
    });

  planned(
    'merge <child>',
    "move the child's data into its parent; both then read alike, and the child is needed no more",
  )
    .option('--into <ancestor>', 'merge down to this ancestor, with all layers between')
    .option('--reverse', "the other way: the ancestor's data into the child, which then does without it")
    .action((child: string, options: DiskOptions) => {
      const given = { file: child, ...pick(options, [...common, 'into', 'reverse']) };
      return runPlanned(output, options, 'diskMerge', given, async ({ long }, params, call) => {
        const merged = await long.diskMerge(params, call);
        const obsolete = merged.obsolete.length === 0 ? '' : ` No longer needed: ${merged.obsolete.join(', ')}.`;
        output.result(merged, `${merged.into} holds everything now; ${merged.movedBytes} bytes were moved.${obsolete}`);
      });
    });

  withNewDisk(planned('convert <source> <target>', 'make the same disk in another format; holes and zeros stay holes'))
    .addOption(new Option('--to <format>', 'format of the target').choices(formats).makeOptionMandatory())
    .addOption(snapshot())
    .option('--flatten', 'one image without parents; otherwise a chain stays a chain')
    .option('--stream-optimized', 'VMDK: compressed, for transport; nobody writes into it afterwards')
    .action((source: string, target: string, options: DiskOptions) => {
      const given = {
        file: source,
        target,
        ...pick(options, [...common, 'snapshot', 'to', 'flatten', 'streamOptimized']),
        ...newDisk(options),
      };
      return runPlanned(output, options, 'diskConvert', given, async ({ long }, params, call) => {
        const converted = await long.diskConvert(params, call);
        output.result(converted, `Made ${converted.files.join(', ')}; ${converted.writtenBytes} bytes of data.`);
      });
    });

  planned('compact <file>', 'give unused and zero space back').action((file: string, options: DiskOptions) => {
    const given = { file, ...pick(options, common) };
    return runPlanned(output, options, 'diskCompact', given, async ({ long }, params, call) => {
      const compacted = await long.diskCompact(params, call);
      const { before, after } = compacted.allocatedBytes;
      output.result(compacted, `${file} takes ${after} bytes now; it took ${before}.`);
    });
  });

  planned('resize <file>', 'make the disk longer, or shorter when its end is free')
    .addArgument(new Argument('<size>', 'new size, such as 10737418240 or 10G').argParser(size))
    .action((file: string, sizeBytes: number, options: DiskOptions) => {
      const given = { file, sizeBytes, ...pick(options, common) };
      return runPlanned(output, options, 'diskResize', given, async ({ disks }, params, call) => {
        const info = await disks.diskResize(params, call);
        output.result(info, infoText(info));
      });
    });

  verb('compare <a> <b>', 'show where two disks, or two points of a chain, differ')
    .addOption(snapshot('first '))
    .addOption(new Option('--to <format>', 'format of the second one when its content cannot tell').choices(formats))
    .addOption(new Option('--limit <number>', 'how many ranges to list at most').argParser(wholeNumber))
    .action((file: string, other: string, options: DiskOptions) =>
      run(options, async ({ disks }, call) => {
        const params = { file, other, ...pick(options, [...common, 'snapshot', 'to', 'limit']) };
        const compared = await disks.diskCompare(parseParams('diskCompare', params), call);
        const ranges = compared.ranges.map((range) => `${range.offset}  ${range.length}`);
        const summary = compared.isSame
          ? 'The disks are the same.'
          : `${compared.differingBytes} bytes differ, in ${compared.differingRanges} ranges.`;
        output.result(compared, [...ranges, summary].join('\n'));
      }),
    );

  planned('rebase <file>', "correct where an image's parent is")
    .requiredOption('--parent <file>', 'where it is')
    .option('--accept-mismatch', 'take it although it is not the one that the image was made on')
    .action((file: string, options: DiskOptions) => {
      const given = { file, ...pick(options, [...common, 'parent', 'acceptMismatch']) };
      return runPlanned(output, options, 'diskRebase', given, async ({ disks }, params, call) => {
        const info = await disks.diskRebase(params, call);
        output.result(info, infoText(info));
      });
    });

  verb('serve <file>', 'serve a disk by the NBD protocol until interrupted')
    .requiredOption('--socket <path>', 'Unix socket, in a folder that is private to you')
    .option('--read-only', 'refuse writes')
    .addOption(snapshot())
    .action((file: string, options: DiskOptions) =>
      run(options, async ({ disks }, call) => {
        const params = parseParams('diskServe', {
          file,
          ...pick(options, [...common, 'snapshot', 'socket', 'readOnly']),
        });
        const served = await disks.diskServe(params, call);
        output.result(served, `Serving ${file} at ${served.uri}. Ctrl+C ends it.`);
        if (!call.signal.aborted) {
          await once(call.signal, 'abort');
        }
        await disks.diskStopServing({ socket: served.socket });
      }),
    );
}

function withNewDisk(command: Command): Command {
  return command
    .option('--fixed', 'allocate everything from the start (VHD, VHDX)')
    .addOption(new Option('--block-size <bytes>', 'block size of VHD and VHDX, cluster size of qcow2').argParser(size))
    .addOption(new Option('--logical-sector-size <bytes>', 'VHDX: 512 or 4096').argParser(size));
}

function snapshot(which = ''): Option {
  return new Option('--snapshot <name>', `a snapshot inside the ${which}image (qcow2), by name or id; see info`);
}

function newDisk(options: DiskOptions): Record<string, unknown> {
  return {
    ...pick(options, ['fixed']),
    ...(options['blockSize'] === undefined ? {} : { blockBytes: options['blockSize'] }),
    ...(options['logicalSectorSize'] === undefined ? {} : { logicalSectorBytes: options['logicalSectorSize'] }),
  };
}

function sized(value: unknown): { sizeBytes?: unknown } {
  return value === undefined ? {} : { sizeBytes: value };
}

function collect(value: string, earlier: string[] | undefined): string[] {
  return [...(earlier ?? []), value];
}

const unitBytes: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

/** Bytes, also with K, M, G or T for powers of 1024. */
function size(text: string): number {
  const [, number = '', unit = ''] = /^(\d{1,16})([KMGT]?)(?:i?B)?$/i.exec(text) ?? [];
  const bytes = number === '' ? Number.NaN : Number(number) * (unitBytes[unit.toUpperCase()] ?? Number.NaN);
  if (!Number.isSafeInteger(bytes)) {
    throw new InvalidArgumentError('It must be a number of bytes, such as 10737418240 or 10G.');
  }
  return bytes;
}

function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) {
    throw new InvalidArgumentError('It must be a whole number.');
  }
  return Number(text);
}

function infoText(info: DiskInfo): string {
  const facts = {
    format: info.format,
    'virtual size': `${info.virtualSizeBytes} bytes`,
    'file size': `${info.fileSizeBytes} bytes, ${info.allocatedBytes} allocated`,
    'logical sector size': `${info.logicalSectorBytes} bytes`,
    ...(info.parent === undefined ? {} : { parent: info.parent.paths.join(', ') }),
    ...info.identity,
    ...info.details,
  };
  const snapshots = (info.snapshots ?? []).map(
    ({ id, name, takenMs }) => `  snapshot ${id}: ${name}, ${new Date(takenMs).toISOString()}`,
  );
  return [info.file, ...Object.entries(facts).map(([name, value]) => `  ${name}: ${value}`), ...snapshots].join('\n');
}

function extentText(extent: MappedExtent): string {
  const place =
    extent.file === undefined
      ? ''
      : `  ${extent.file}${extent.fileOffset === undefined ? '' : ` @ ${extent.fileOffset}`}`;
  return `${extent.offset}  ${extent.length}  ${extent.state}${extent.isCompressed === true ? ' (compressed)' : ''}${place}`;
}
