/** What a page keeps while it is hidden, and from one window to the next. */
export interface KeptState {
  /** Id of its machine; absent until it has been told. */
  machine?: string;
  /** The selected point; Now when absent. */
  selected?: string;
  /** Of the picture. */
  scroll?: { left: number; top: number };
}

/** What was kept by this page, or an older version of it. */
export function keptState(state: unknown): KeptState {
  if (typeof state !== 'object' || state === null) {
    return {};
  }
  return {
    ...('machine' in state && typeof state.machine === 'string' ? { machine: state.machine } : {}),
    ...('selected' in state && typeof state.selected === 'string' ? { selected: state.selected } : {}),
    ...('scroll' in state ? keptScroll(state.scroll) : {}),
  };
}

function keptScroll(scroll: unknown): Pick<KeptState, 'scroll'> {
  if (typeof scroll !== 'object' || scroll === null || !('left' in scroll) || !('top' in scroll)) {
    return {};
  }
  const { left, top } = scroll;
  return typeof left === 'number' && typeof top === 'number' ? { scroll: { left, top } } : {};
}
