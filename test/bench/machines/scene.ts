import type { BenchRow } from '../disks/row.ts';

/** What one round of one participant gave, by name; times in ms, sizes in MiB. */
export type Figures = Readonly<Record<string, number>>;

/** One who does the work: ours, or a peer. */
export interface Participant {
  /** The work, once. Others stand still meanwhile, and it stands still before and afterwards. */
  run(): Promise<Figures>;
  end(): Promise<void>;
}

/** One line of the table: a figure of ours, and a peer's. */
export interface FigureRow extends Pick<BenchRow, 'reach' | 'isReached'> {
  name: string;
  /** Of {@link Figures}. */
  figure: string;
  /** Of {@link PreparedScene.peers}; none where nobody else does that. */
  peer?: string;
  /** Where the peer calls it otherwise. */
  peerFigure?: string;
}

/** Work that gives several figures at once, each by everybody in the same run. */
export interface Scene {
  name: string;
  rows: readonly FigureRow[];
  mostRounds?: number;
  prepare(folder: string): Promise<PreparedScene>;
}

export interface PreparedScene {
  ours: Participant;
  /** Each is prepared when all before it stand still; one that cannot be had costs its own lines only. */
  peers: Readonly<Record<string, () => Promise<Participant>>>;
}
