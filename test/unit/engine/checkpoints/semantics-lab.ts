import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { create } from '../../../../engine/disks/operations/create.ts';
import { openChain } from '../../../../engine/disks/open-chain.ts';
import type { Engine } from '../../../../engine/engine.ts';
import type { DiskFormat } from '../../../../engine/model/machine.ts';
import type { HostId } from '../../../../engine/protocol/machines.ts';
import { LayerFiles } from '../../../../engine/store/layer-files.ts';
import { MachineFolder } from '../../../../engine/store/machine-folder.ts';
import { contentHash, faultsOfHome } from '../../../support/faults/home-state.ts';
import { engineOf, lab as machine, writeToNow } from '../../../support/faults/stopped-lab.ts';
import { parseTree, writeTree, type Node } from './tree-notation.ts';

const kibibyte = 1024;

/** A machine with the tree of a row, each of its points with other content, and what is told of it in the row's notation. */
export class SemanticsLab {
  readonly engine: Engine;
  readonly home: string;
  readonly #big: string;
  /** Label of the checkpoint whose layer each was, by its name. */
  readonly #owners = new Map<string, string>();
  /** SHA-256 of the whole disk of each point. */
  readonly #contents = new Map<string, string>();
  #writes = 0;

  private constructor(home: string, big: string) {
    this.engine = engineOf(home);
    this.home = home;
    this.#big = big;
  }

  /** @param place folder to make it in */
  static async of(
    place: string,
    { host, format, given, big = '' }: { host: HostId; format: DiskFormat; given: string; big?: string },
  ): Promise<SemanticsLab> {
    const lab = new SemanticsLab(path.join(place, 'home'), big);
    const disk = path.join(place, `disk.${format}`);
    await mkdir(place);
    const { service } = lab.engine;
    if (host === 'qemu') {
      await create(disk, { format, virtualSizeBytes: 2048 * kibibyte });
      await service.createMachine({ name: machine, disk }, {});
    } else {
      // On another disk, as a whole one has whole blocks of data already.
      const base = path.join(place, `base.${format}`);
      await create(base, { format, virtualSizeBytes: 2048 * kibibyte });
      await create(disk, { format, parent: { file: base } });
      await service.addMachine({ name: machine, disk, host }, {});
    }
    const nodes = parseTree(given);
    for (const node of nodes) {
      await lab.#make(node);
    }
    const parent = parentOf(nodes, 'Now');
    if (parent !== undefined && (await lab.#info()).now.parent !== (await lab.#idOf(parent))) {
      await service.apply({ machine, checkpoint: parent, discardNow: true }, {});
    }
    await lab.#write('Now');
    const { checkpoints, now } = await lab.#records();
    for (const { name, layers } of [...checkpoints, { name: 'Now', layers: now.activeLayers }]) {
      lab.#owners.set(layers['disk0'] ?? '', name);
    }
    for (const [label, file] of await lab.#points()) {
      lab.#contents.set(label, await contentHash(file));
    }
    assert.equal(new Set(lab.#contents.values()).size, lab.#contents.size, 'each point has other content');
    assert.deepEqual(await lab.look(), { tree: given, layers: given });
    return lab;
  }

  async #make(node: Node, parent?: string): Promise<void> {
    if (node.label === 'Now') {
      return;
    }
    const { service } = this.engine;
    if (parent !== undefined && (await this.#info()).now.parent !== (await this.#idOf(parent))) {
      await service.apply({ machine, checkpoint: parent, discardNow: true }, {});
    }
    await this.#write(node.label);
    await service.take({ machine, name: node.label }, {});
    for (const child of node.children) {
      await this.#make(child, node.label);
    }
  }

  /** Where all have something, and where nobody else has. */
  async #write(label: string): Promise<void> {
    const at = (this.#writes += 1);
    const info = await this.#info();
    await writeToNow(info, at, 0, 6 * kibibyte);
    await writeToNow(info, at, at * 320 * kibibyte, this.#big === label ? 256 * kibibyte : 4 * kibibyte);
  }

  /** Carries out one step of a row: `delete B`, `delete the subtree of B for good`, `restore B`, … */
  async do(step: string): Promise<void> {
    const { service } = this.engine;
    const [, verb, subtree, checkpoint = '', forGood] =
      /^(delete|restore|discard|apply) (the subtree of )?(\w+)( for good)?$/.exec(step) ?? [];
    switch (verb) {
      case 'delete':
        await service.delete({
          machine,
          checkpoint,
          subtree: subtree !== undefined,
          purge: forGood !== undefined,
        });
        break;
      case 'restore':
        await service.restore({ machine, checkpoint });
        break;
      case 'discard':
        await service.emptyTrash({ machine, checkpoint }, {});
        break;
      case 'apply':
        await service.apply({ machine, checkpoint, discardNow: true }, {});
        this.#contents.set('Now', this.#contents.get(checkpoint) ?? '');
        this.#owners.set((await this.#records()).now.activeLayers['disk0'] ?? '', 'Now');
        break;
      default:
        assert.equal(step, 'empty the trash');
        await service.emptyTrash({ machine }, {});
    }
  }

  /** Labels of what is in the trash, in order of deletion. */
  async trashed(): Promise<string[]> {
    return (await this.#info()).trash.map(({ checkpoint }) => checkpoint.name);
  }

  /**
   * The tree that `list` shows and the layers that lie on disk, by the headers of the images; on the way, that every disk of
   * every point holds what it held, and that no file is left over or missing.
   */
  async look(): Promise<{ tree: string; layers: string }> {
    const { checkpoints, now } = await this.#info();
    const name = (id: string | undefined): string | undefined => checkpoints.find((one) => one.id === id)?.name;
    const parents = new Map(checkpoints.map((one) => [one.name, name(one.parent)]));
    const tree = writeTree(new Map([...parents, ['Now', name(now.parent)]]), rank);
    const layers = await this.#layers();
    for (const [label, file] of await this.#points()) {
      const expected = this.#contents.get(label);
      assert.ok(expected === undefined || (await contentHash(file)) === expected, `${label} holds other bytes`);
    }
    assert.deepEqual(await faultsOfHome(this.home), { unknown: [], missing: [] });
    return { tree, layers };
  }

  /** Doctor finds nothing but the hidden layers. */
  async requireSound(): Promise<void> {
    const { machines } = await this.engine.doctor.doctor({ machine, deep: true }, {});
    const findings = machines.flatMap((one) => one.findings);
    const isHidden = ({ code }: { code: string }): boolean => code === 'hidden';
    assert.deepEqual(
      findings.filter((finding) => !isHidden(finding)),
      [],
    );
    assert.equal(findings.filter(isHidden).length, (await this.#layers()).split('[').length - 1);
  }

  async #layers(): Promise<string> {
    const records = await this.#records();
    const files = new LayerFiles(new MachineFolder((await this.#info()).folder), records.definition, {
      ...records.now.activeLayers,
    });
    const disk = files.disk('disk0');
    const named = new Map((await this.#points()).map(([label, file]) => [file, label]));
    const label = (file: string): string => {
      const owner = this.#owners.get(files.layerAt(disk, file) ?? '') ?? '?';
      const by = named.get(file);
      return by === undefined ? `[${owner}]` : by === owner ? by : `${by}@${owner}`;
    };
    const parents = new Map<string, string | undefined>();
    const base = disk.base === undefined ? disk.externalBase?.path : files.fileOf(disk, disk.base);
    for (const file of named.keys()) {
      const chain = await openChain(file);
      await chain.close();
      const found = chain.layers.map((layer) => layer.file.path).filter((one) => one !== base);
      assert.equal(chain.layers.at(-1)?.file.path, base, 'every chain ends with the base');
      found.forEach((one, at) => {
        const below = found[at + 1];
        parents.set(label(one), below === undefined ? undefined : label(below));
      });
    }
    return writeTree(parents, rank);
  }

  /** The file that each point reads through. */
  async #points(): Promise<[label: string, file: string][]> {
    const { checkpoints, trash, now, definition } = await this.#records();
    const files = new LayerFiles(new MachineFolder((await this.#info()).folder), definition, now.activeLayers);
    const disk = files.disk('disk0');
    const whole = [...checkpoints, ...trash.map(({ checkpoint }) => checkpoint)];
    return [...whole, { name: 'Now', layers: now.activeLayers }].map(({ name, layers }) => [
      name,
      files.fileOf(disk, files.layerOf(layers, disk)),
    ]);
  }

  async #idOf(label: string): Promise<string | undefined> {
    return (await this.#info()).checkpoints.find(({ name }) => name === label)?.id;
  }

  async #info(): Promise<Awaited<ReturnType<Engine['service']['show']>>['machine']> {
    return (await this.engine.service.show({ machine })).machine;
  }

  async #records(): ReturnType<MachineFolder['read']> {
    return new MachineFolder((await this.#info()).folder).read();
  }
}

/** Checkpoints by their letters, whatever layer they are in; Now last. */
function rank(label: string): string {
  const name = label.replace(/[[\]]/g, '').replace(/@.*/, '');
  return name === 'Now' ? '~' : name;
}

function parentOf(nodes: readonly Node[], label: string): string | undefined {
  for (const node of nodes) {
    if (node.children.some((child) => child.label === label)) {
      return node.label;
    }
    const found = parentOf(node.children, label);
    if (found !== undefined) {
      return found;
    }
  }
  return undefined;
}
