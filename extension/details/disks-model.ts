import * as vscode from 'vscode';
import path from 'node:path';
import type { LayerInfo } from '../../engine/protocol/layers.ts';
import type { MachineInfo } from '../../engine/protocol/machines.ts';
import type { Result } from '../../engine/protocol/operations.ts';
import { formatSize } from '../presentation/size.ts';
import type { DisksModel } from './page-model.ts';
import { nowId } from './page-model.ts';

/** The files that the disks of a machine consist of. */
export function disksModel(machine: MachineInfo, { layers, points }: Result<'layers'>): DisksModel {
  return {
    disks: machine.disks.map(({ id, virtualSizeBytes }) => ({ id, title: `${id} · ${formatSize(virtualSizeBytes)}` })),
    layers: layers.map((layer) => ({
      file: layer.file,
      disk: layer.disk,
      name: path.basename(layer.file),
      isHidden: layer.role === 'hidden',
      role: roleText(layer),
      format: layer.format,
      size: formatSize(layer.allocatedBytes),
      ...(layer.parent === undefined ? {} : { parent: layer.parent }),
    })),
    tops: Object.fromEntries(points.map(({ id, tops }) => [id ?? nowId, tops.map(({ file }) => file)])),
  };
}

function roleText({ role, of }: LayerInfo): string {
  const names = of.map((name) => `“${name}”`).join(', ');
  switch (role) {
    case 'active':
      return vscode.l10n.t('written by Now');
    case 'base':
      return vscode.l10n.t('what the machine was made with');
    case 'checkpoint':
      return vscode.l10n.t('frozen by {0}', names);
    case 'trash':
      return vscode.l10n.t('of {0} in the trash', names);
    case 'clone':
      return vscode.l10n.t('a linked clone stands on it: {0}', names);
    case 'hidden':
      return vscode.l10n.t('hidden: of no checkpoint any more, but others stand on it');
    case 'outside':
      return vscode.l10n.t('outside of the machine, and never written');
  }
}
