import { mkdtemp, rm } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import path from 'node:path';
import { build, demoGuest, requireQemu } from '../support/set-up.ts';
import { installIfPossible, libvirtPrograms } from '../support/system-programs.ts';
import { median, verdictOf } from './disks/verdict.ts';
import type { FigureRow, Figures, Participant, PreparedScene, Scene } from './machines/scene.ts';

const rounds = Number(process.env['CKPT_BENCH_ROUNDS'] ?? 5);

/**
 * Runs the scenes of running machines through the built engine, those with a row whose name contains one of the words given.
 * Ours and the peers take turns, and those whose turn it is not stand still; the median counts. What fails is told, and the rest goes on.
 * CKPT_BENCH_FOLDER, CKPT_BENCH_MIB and CKPT_BENCH_ROUNDS as of the other suites.
 */
export async function benchMachines(words: readonly string[]): Promise<void> {
  await requireQemu(console.log);
  await demoGuest(console.log);
  await build();
  await installIfPossible(libvirtPrograms, console.log);
  const { scenes } = await import('./machines/scenes.ts');
  const isChosen = ({ name }: FigureRow): boolean => words.length === 0 || words.some((word) => name.includes(word));
  console.log(
    `Load at the beginning: ${loadavg()
      .map((load) => load.toFixed(1))
      .join(', ')}. Medians, in ms unless said.`,
  );
  console.log(line(['work', 'ours', 'peer', 'peer/ours', 'reach', '']));
  let missed = 0;
  for (const scene of scenes.filter(({ rows }) => rows.some(isChosen))) {
    const found = await measure(scene);
    for (const row of scene.rows.filter(isChosen)) {
      const verdict = show(row, found);
      missed += verdict === 'reached' ? 0 : 1;
    }
    for (const [participant, why] of Object.entries(found.problems)) {
      console.log(`  ${participant}: ${why}`);
    }
  }
  console.log(missed === 0 ? 'All reached.' : `${missed} not reached.`);
}

interface Measured {
  /** Of each participant's rounds. */
  figures: Readonly<Record<string, readonly Figures[]>>;
  /** Why a participant has no figures, or fewer. */
  problems: Readonly<Record<string, string>>;
}

async function measure(scene: Scene): Promise<Measured> {
  const folder = await mkdtemp(path.join(process.env['CKPT_BENCH_FOLDER'] ?? tmpdir(), 'ckpt-bench-'));
  const figures: Record<string, Figures[]> = {};
  const problems: Record<string, string> = {};
  const taking: { name: string; participant: Participant }[] = [];
  try {
    const { ours, peers } = await scene.prepare(folder);
    taking.push({ name: 'ours', participant: ours });
    // The first round of ours warms up, and tells peers what they need to know.
    await ours.run();
    await preparePeers(peers, taking, problems);
    for (let round = 0; round < Math.min(rounds, scene.mostRounds ?? rounds); round++) {
      for (const { name, participant } of taking.filter((one) => problems[one.name] === undefined)) {
        try {
          (figures[name] ??= []).push(await participant.run());
        } catch (error) {
          problems[name] = textOf(error);
        }
      }
    }
  } catch (error) {
    problems['ours'] = textOf(error);
  } finally {
    for (const { name, participant } of taking.reverse()) {
      await participant.end().catch((error: unknown) => {
        problems[name] ??= textOf(error);
      });
    }
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
  return { figures, problems };
}

async function preparePeers(
  peers: PreparedScene['peers'],
  taking: { name: string; participant: Participant }[],
  problems: Record<string, string>,
): Promise<void> {
  for (const [name, prepare] of Object.entries(peers)) {
    try {
      taking.push({ name, participant: await prepare() });
    } catch (error) {
      problems[name] = textOf(error);
    }
  }
}

/** Prints a line. @returns its verdict */
function show(row: FigureRow, { figures }: Measured): string {
  const of = (participant: string, figure: string): number | undefined => {
    const values = (figures[participant] ?? []).flatMap((one) => one[figure] ?? []);
    return values.length === 0 ? undefined : median(values);
  };
  const ours = of('ours', row.figure);
  const peer = row.peer === undefined ? undefined : of(row.peer, row.peerFigure ?? row.figure);
  const verdict = ours === undefined ? 'FAILED' : verdictOf(row, ours, peer);
  const ratio = ours === undefined || peer === undefined ? '–' : `${(peer / ours).toFixed(2)} ×`;
  console.log(line([row.name, ours?.toFixed(1) ?? '–', peer?.toFixed(1) ?? '–', ratio, row.reach, verdict]));
  return verdict;
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function line(cells: readonly string[]): string {
  const widths = [64, 9, 9, 10, 22, 8];
  return cells.map((cell, at) => (at === 0 ? cell.padEnd(64) : cell.padStart(widths[at] ?? 8))).join(' ');
}
