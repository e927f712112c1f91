import type { WayToFree } from '../../engine/protocol/space.ts';
import { formatSize } from '../presentation/size.ts';
import { wordsIn, type Facts, type Translator } from './error-facts.ts';

/** What a refusal for want of space says: how much is short, and what would free it; undefined where the facts do not tell. */
export function shortageText(facts: Facts, l10n: Translator): string | undefined {
  const { neededBytes, freeBytes, shortBytes, freeSpaceBytes } = facts;
  const [volume, path, machine] = [facts['volume'], facts['path'], facts['machine']].map(wordsIn);
  if (typeof neededBytes === 'number' && typeof freeBytes === 'number' && typeof shortBytes === 'number') {
    return volume === undefined
      ? l10n.t(
          'The memory may need {0}, and {1} are free. Free {2}, or leave memory out.',
          formatSize(neededBytes),
          formatSize(freeBytes),
          formatSize(shortBytes),
        )
      : [
          l10n.t(
            'This needs {0}, but the volume of {1} has {2} free: {3} are short.',
            formatSize(neededBytes),
            volume,
            formatSize(freeBytes),
            formatSize(shortBytes),
          ),
          ...advice(waysIn(facts['waysToFree']), shortBytes, freeSpaceBytes, l10n),
          l10n.t('Nothing was changed.'),
        ].join(' ');
  }
  if (path === undefined) {
    return undefined;
  }
  if (machine !== undefined) {
    return l10n.t(
      'The volume of {0} is still full, so “{1}” would stand still again at once. Free space, then resume it.',
      path,
      machine,
    );
  }
  return facts['systemCode'] === 'ENOSPC' || facts['systemCode'] === 'EDQUOT'
    ? l10n.t('The volume is full ({0}). Free some space and try again.', path)
    : undefined;
}

function advice(ways: readonly WayToFree[], shortBytes: number, freeSpaceBytes: unknown, l10n: Translator): string[] {
  if (ways.length === 0) {
    return [l10n.t('Free some space on the volume and try again.')];
  }
  const lackingBytes = shortBytes - ways.reduce((bytes, way) => bytes + way.bytes, 0);
  return [
    l10n.t(
      'To free space, in this order: {0}.',
      ways.map((way) => `${wayText(way, l10n)} (${formatSize(way.bytes)})`).join('; '),
    ),
    ...(typeof freeSpaceBytes === 'number'
      ? [l10n.t('Trash and kept states, {0}, can go at once (Free Space…).', formatSize(freeSpaceBytes))]
      : []),
    ...(lackingBytes > 0 ? [l10n.t('That is not all: free {0} more elsewhere.', formatSize(lackingBytes))] : []),
  ];
}

function wayText({ kind, machine, checkpoints }: WayToFree, l10n: Translator): string {
  switch (kind) {
    case 'trash':
      return l10n.t('empty the trash of “{0}”', machine);
    case 'expiring':
      return l10n.t('delete what of “{0}” would expire by itself', machine);
    case 'checkpoint':
      return l10n.t('delete “{0}” of “{1}” for good', checkpoints[0]?.name ?? '', machine);
  }
}

function waysIn(value: unknown): WayToFree[] {
  return Array.isArray(value) ? value.filter(isWay) : [];
}

function isWay(value: unknown): value is WayToFree {
  return (
    typeof value === 'object' &&
    value !== null &&
    'kind' in value &&
    (value.kind === 'trash' || value.kind === 'expiring' || value.kind === 'checkpoint') &&
    'machine' in value &&
    typeof value.machine === 'string' &&
    'bytes' in value &&
    typeof value.bytes === 'number' &&
    'checkpoints' in value &&
    Array.isArray(value.checkpoints) &&
    value.checkpoints.every(
      (one: unknown) => typeof one === 'object' && one !== null && 'name' in one && typeof one.name === 'string',
    )
  );
}
