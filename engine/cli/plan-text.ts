import { formatSize } from '../model/size.ts';
import type { OperationPlan, PlannedLoss, PlannedPoint, PlannedSpace, PlanStep } from '../protocol/plans.ts';

/** A plan as text: its steps, what would be lost, and the space that it takes and frees. */
export function planText({ steps, losses, space }: OperationPlan): string {
  const lines = steps.map((step) => `  ${step.machine === undefined ? '' : `${step.machine}: `}${stepText(step)}`);
  return [
    ...(lines.length === 0 ? ['Nothing would be done.'] : ['This would be done; nothing was changed:', ...lines]),
    ...losses.map((loss) => `Lost for good: ${lossText(loss)}.`),
    ...spaceLines(space),
  ].join('\n');
}

function stepText(step: PlanStep): string {
  switch (step.kind) {
    case 'create':
      return createText(step);
    case 'copy':
      return `copy ${step.from} to ${step.to} (${formatSize(step.bytes)})`;
    case 'rename':
      return `rename ${step.from} to ${step.to}`;
    case 'merge':
      return `merge ${step.disk}: ${formatSize(step.bytes)} from ${step.from} into its ${step.direction === 'ancestor' ? 'parent' : 'child'} ${step.into}`;
    case 'fill':
      return `copy what ${step.path} stands on into it (${formatSize(step.bytes)})`;
    case 'remove':
      return step.what === 'checkpoint'
        ? `remove the checkpoint ${named(step.point)}`
        : `remove the ${step.what} ${step.path} (${formatSize(step.bytes)})`;
    case 'trash':
      return `move ${named(step.point)} to the trash, where it stays until ${step.until}`;
    case 'restore':
      return `bring ${named(step.point)} back${under(step.parent)}`;
    case 'attach':
      return `${step.point === 'now' ? 'Now' : named(step.point)} hangs from ${step.parent === undefined ? 'no checkpoint' : named(step.parent)}`;
    case 'change':
      return `${step.field} of ${named(step.point)}: ${step.from === '' ? 'none' : step.from} → ${step.to === '' ? 'none' : step.to}`;
    case 'resize':
      return `resize the disk of ${step.path} from ${formatSize(step.fromBytes)} to ${formatSize(step.toBytes)}`;
    case 'compact':
      return `compact ${step.path}`;
    case 'rebase':
      return `name the parent of ${step.path}: ${step.from === '' ? 'none' : step.from} → ${step.to}`;
    case 'mend':
      return `mend ${step.path}: ${step.fault}`;
    case 'process':
      return {
        pause: 'the guest stands still',
        resume: 'the guest goes on',
        end: 'its process ends',
        start: 'it comes up from the saved memory',
      }[step.does];
    case 'recover':
      return `first end the ${step.operation} that was interrupted`;
  }
}

function createText(step: Extract<PlanStep, { kind: 'create' }>): string {
  switch (step.what) {
    case 'checkpoint':
      return `make the checkpoint ${named(step.point)}${under(step.parent)}${step.until === undefined ? '' : `, kept until ${step.until}`}`;
    case 'machine':
      return `make the machine ${named(step.point)} in ${step.path}`;
    case 'memory':
      return 'save the memory';
    default:
      return [
        step.what === 'layer' ? 'make an empty layer' : step.what === 'image' ? 'make an image' : 'make the folder',
        ...(step.disk === undefined ? [] : [`of ${step.disk}`]),
        ...(step.path === undefined ? [] : [step.what === 'folder' ? step.path : `at ${step.path}`]),
        ...(step.on === undefined ? [] : [`${step.what === 'layer' ? 'on' : 'out of'} ${step.on}`]),
      ].join(' ');
  }
}

function named({ id, name }: PlannedPoint): string {
  return id === undefined ? `“${name}”` : `“${name}” (${id.slice(0, 8)})`;
}

function under(parent: PlannedPoint | undefined): string {
  return parent === undefined ? '' : ` under ${named(parent)}`;
}

function lossText({ what, name }: PlannedLoss): string {
  return what === 'now' ? `what “${name}” is now` : `the ${what} “${name}”`;
}

function spaceLines({ neededBytes, movedBytes, freed, freeBytes, shortBytes }: PlannedSpace): string[] {
  const facts = [
    ...(neededBytes === 0 ? [] : [`needs up to ${formatSize(neededBytes)} of ${formatSize(freeBytes)} free`]),
    ...(shortBytes === 0 ? [] : [`${formatSize(shortBytes)} are short`]),
    ...(movedBytes === 0 ? [] : [`moves up to ${formatSize(movedBytes)}`]),
    ...(freed.mostBytes === 0
      ? []
      : [
          freed.leastBytes === freed.mostBytes
            ? `frees ${formatSize(freed.mostBytes)}`
            : `frees ${formatSize(freed.leastBytes)} to ${formatSize(freed.mostBytes)}`,
        ]),
  ];
  return facts.length === 0 ? [] : [`Space: ${facts.join('; ')}.`];
}
