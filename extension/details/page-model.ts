/** What the Details page shows: texts that are ready to be shown, for the page has no words of its own. */
import type { Colour } from '../../engine/protocol/machines.ts';
import type { PageCommand } from './page-commands.ts';

export interface DetailsModel {
  /** Absent while it is not known, and when it is gone; `notices` say which. */
  machine?: MachineSummary;
  /** Sentences above everything else. */
  notices: string[];
  texts: PageTexts;
}

export interface MachineSummary {
  name: string;
  /** Such as `running`. */
  state: string;
  actions: Action[];
  /** Notes can be written. */
  canAnnotate: boolean;
  /** Checkpoints in order of creation, then Now. */
  points: Point[];
  pairs: GuardedPair[];
  /** These are absent until they are known. */
  disks?: DisksModel;
  space?: SpaceModel;
  history?: HistoryEntry[];
}

export interface DisksModel {
  disks: { id: string; title: string }[];
  layers: LayerRow[];
  /** By point: the files that its disks begin at. */
  tops: Readonly<Partial<Record<string, readonly string[]>>>;
}

/** One file of a disk. */
export interface LayerRow {
  file: string;
  disk: string;
  name: string;
  isHidden: boolean;
  role: string;
  format: string;
  size: string;
  /** File that it stands on. */
  parent?: string;
}

export interface SpaceModel {
  summary: string;
  rows: SpaceRow[];
}

export interface SpaceRow {
  name: string;
  frees: string;
  shared: string;
  /** Of all that the machine takes, from 0 to 1. */
  share: number;
}

export interface HistoryEntry {
  when: string;
  time: string;
  what: string;
  more: string;
  isTrouble: boolean;
}

/** The page's parts. */
export const pageTabs = ['checkpoints', 'disks', 'space', 'history'] as const;
export type PageTab = (typeof pageTabs)[number];

/** A checkpoint, or Now. */
export interface Point {
  /** Of a checkpoint its id, of Now {@link nowId}. */
  id: string;
  /** Absent for a root. */
  parent?: string;
  name: string;
  shape: PointShape;
  colour?: Colour;
  /** Under its name. */
  line: string;
  /** What a screen reader says besides; to be seen in the picture itself. */
  more: string;
  /** What it alone takes; absent until that is known. */
  size?: EdgeSize;
  facts: Fact[];
  /** What its machine's console showed, in lines; empty when nothing is known, absent until it was asked for. */
  console?: string;
  /** Empty for none; absent where there can be none. */
  notes?: string;
  actions: Action[];
}

/** Told apart by form: with memory, disks only, pinned, deleted by itself some day, Now. */
export type PointShape = 'memory' | 'disks' | 'pinned' | 'expiring' | 'now';

export interface EdgeSize {
  text: string;
  /** How thick the line is, from 0 to 3. */
  weight: number;
}

export interface Fact {
  label: string;
  value: string;
}

/** A guarded command: the checkpoint before it, and the one after it. */
export interface GuardedPair {
  before: string;
  after: string;
  /** How it ended. */
  text: string;
}

export interface Action {
  command: PageCommand;
  title: string;
  isPrimary?: boolean;
}

export interface PageTexts {
  graph: string;
  selected: string;
  actions: string;
  notes: string;
  noNotes: string;
  console: string;
  save: string;
  discardDraft: string;
  parts: string;
  tabs: Readonly<Record<PageTab, string>>;
  chain: string;
  chainOfNow: string;
  otherLayers: string;
  layer: string;
  format: string;
  takes: string;
  role: string;
  what: string;
  frees: string;
  shared: string;
  when: string;
  how: string;
  historyIs: string;
}

/** Id of Now among the points. */
export const nowId = 'now';
