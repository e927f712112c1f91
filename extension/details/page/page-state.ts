import { pageTabs, type PageTab } from '../page-model.ts';

/** What a page keeps while it is hidden, and from one window to the next. */
export interface KeptState {
  /** Id of its machine; absent until it has been told. */
  machine?: string;
  /** The selected point; Now when absent. */
  selected?: string;
  /** Of the picture. */
  scroll?: { left: number; top: number };
  /** The part that is shown; checkpoints when absent. */
  tab?: PageTab;
  /** Notes that are not saved yet, by checkpoint. */
  drafts?: Readonly<Record<string, NotesDraft>>;
}

export interface NotesDraft {
  text: string;
  /** What the notes were when it was begun. */
  before: string;
}

/** What was kept by this page, or an older version of it. */
export function keptState(state: unknown): KeptState {
  if (typeof state !== 'object' || state === null) {
    return {};
  }
  return {
    ...('machine' in state && typeof state.machine === 'string' ? { machine: state.machine } : {}),
    ...('selected' in state && typeof state.selected === 'string' ? { selected: state.selected } : {}),
    ...('tab' in state ? { tab: pageTabs.find((tab) => tab === state.tab) ?? 'checkpoints' } : {}),
    ...('scroll' in state ? keptScroll(state.scroll) : {}),
    ...('drafts' in state ? { drafts: keptDrafts(state.drafts) } : {}),
  };
}

function keptScroll(scroll: unknown): Pick<KeptState, 'scroll'> {
  if (typeof scroll !== 'object' || scroll === null || !('left' in scroll) || !('top' in scroll)) {
    return {};
  }
  const { left, top } = scroll;
  return typeof left === 'number' && typeof top === 'number' ? { scroll: { left, top } } : {};
}

function keptDrafts(drafts: unknown): Record<string, NotesDraft> {
  const entries = typeof drafts === 'object' && drafts !== null ? Object.entries(drafts) : [];
  return Object.fromEntries(
    entries.flatMap(([checkpoint, draft]: [string, unknown]) => (isDraft(draft) ? [[checkpoint, draft]] : [])),
  );
}

function isDraft(draft: unknown): draft is NotesDraft {
  return (
    typeof draft === 'object' &&
    draft !== null &&
    'text' in draft &&
    typeof draft.text === 'string' &&
    'before' in draft &&
    typeof draft.before === 'string'
  );
}
