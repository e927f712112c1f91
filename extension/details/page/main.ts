/** The page: shows what the extension sends, and asks it for what is to be done. */
import type { FromPage, ToPage } from '../messages.ts';
import { nowId, type DetailsModel, type PageTab, type Point } from '../page-model.ts';
import { draw } from './draw.ts';
import { element, type PageNode } from './element.ts';
import { elementIdOf, graphView, layoutOf } from './graph-view.ts';
import type { GraphLayout } from './graph-layout.ts';
import { NotesEditor } from './notes-editor.ts';
import { keptState, type KeptState } from './page-state.ts';
import { chainView, disksView, historyView, spaceView } from './part-views.ts';
import { buttons, pointView } from './point-view.ts';
import { tabList, tabPanel } from './tabs-view.ts';

interface VsCode {
  postMessage(message: FromPage): void;
  getState(): unknown;
  setState(state: KeptState): void;
}

declare function acquireVsCodeApi(): VsCode;

const vscode = acquireVsCodeApi();
const root = document.body;
let kept = keptState(vscode.getState());
let model: DetailsModel | undefined;
/** The point that is looked at. */
let lookedAt: string | undefined;
/** Of the machine in the model. */
let layout: GraphLayout | undefined;

const notes = new NotesEditor({
  drafts: () => kept.drafts ?? {},
  keepDrafts: (drafts) => keep({ drafts }),
  send: (message) => vscode.postMessage(message),
  redraw: show,
});

function keep(change: Partial<KeptState>): void {
  kept = { ...kept, ...change };
  vscode.setState(kept);
}

function show(): void {
  draw(root, model === undefined ? [] : page(model));
}

function page({ machine, notices, texts }: DetailsModel): PageNode[] {
  const notice = element(
    'div',
    { class: 'notices', role: 'status' },
    notices.map((sentence) => element('p', {}, [sentence])),
  );
  if (machine === undefined) {
    return [notice];
  }
  layout ??= layoutOf(machine);
  const { tab = 'checkpoints' } = kept;
  const selected =
    machine.points.find(({ id }) => id === kept.selected) ?? machine.points.find(({ id }) => id === nowId);
  lookAt(selected);
  const run = (point: string) => ({
    run: ({ command }: { command: (FromPage & { kind: 'run' })['command'] }) =>
      vscode.postMessage({ kind: 'run', command, point }),
  });
  return [
    element('header', {}, [
      element('h1', {}, [machine.name]),
      element('span', { class: 'state' }, [machine.state]),
      buttons(machine.actions, texts, run(nowId)),
    ]),
    notice,
    tabList(tab, texts, chooseTab),
    element('main', {}, [
      tabPanel('checkpoints', tab, [
        element(
          'div',
          { class: 'graph' },
          selected === undefined
            ? []
            : [graphView(machine, layout, selected.id, texts, { select, enter: enterSelected })],
          { on: { scroll: keepScroll } },
        ),
        selected &&
          pointView(selected, texts, run(selected.id), {
            notes: selected.notes === undefined ? undefined : notes.view(selected, texts, machine.canAnnotate),
            chain: machine.disks && chainView(machine.disks, selected.id, texts),
          }),
      ]),
      tabPanel('disks', tab, machine.disks === undefined ? [] : disksView(machine.disks, texts)),
      tabPanel('space', tab, machine.space === undefined ? [] : spaceView(machine.space, texts)),
      tabPanel('history', tab, machine.history === undefined ? [] : historyView(machine.history, texts)),
    ]),
  ];
}

/** Its console is asked for when somebody comes to it, unless the model has it, as it has from then on. */
function lookAt(point: Point | undefined): void {
  const isNew = point?.id !== lookedAt;
  lookedAt = point?.id;
  if (isNew && point !== undefined && point.id !== nowId && point.console === undefined) {
    vscode.postMessage({ kind: 'look', point: point.id });
  }
}

function chooseTab(tab: PageTab): void {
  keep({ tab });
  show();
}

function keepScroll({ currentTarget }: Event): void {
  if (currentTarget instanceof Element && currentTarget.clientHeight > 0) {
    keep({ scroll: { left: currentTarget.scrollLeft, top: currentTarget.scrollTop } });
  }
}

/** Where it was before the page was hidden; else the selected point comes into sight. */
function showWhereItWas(): void {
  const { scroll } = kept;
  const selected = document.querySelector<HTMLElement>('[role=treeitem][aria-selected=true]');
  if (scroll === undefined) {
    selected?.scrollIntoView({ block: 'center', inline: 'center' });
  } else {
    document.querySelector('.graph')?.scrollTo(scroll);
  }
  selected?.focus({ preventScroll: true });
}

function select(id: string): void {
  keep({ selected: id });
  show();
  focusSelected(id);
}

function focusSelected(id: string): void {
  const card = document.getElementById(elementIdOf(id));
  card?.focus({ preventScroll: true });
  card?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
}

function enterSelected(): void {
  const [first] = document.querySelectorAll<HTMLElement>('.selected button, .selected textarea');
  first?.focus();
}

/** Whether a point has the focus. */
function isInTree(): boolean {
  return document.activeElement?.getAttribute('role') === 'treeitem';
}

function receive(message: ToPage): void {
  switch (message.kind) {
    case 'model': {
      const isFirst = model === undefined;
      const wasInTree = isInTree();
      ({ model } = message);
      layout = undefined;
      keep({ machine: message.machine });
      show();
      if (isFirst) {
        showWhereItWas();
      } else if (wasInTree && !isInTree()) {
        // What had the focus is gone.
        document.querySelector<HTMLElement>('[role=treeitem][aria-selected=true]')?.focus({ preventScroll: true });
      }
      break;
    }
    case 'notes':
      notes.answered(message);
      break;
    case 'select':
      keep({ selected: message.point, tab: 'checkpoints' });
      show();
      focusSelected(message.point);
      break;
  }
}

function isMessage(data: unknown): data is ToPage {
  return typeof data === 'object' && data !== null && 'kind' in data;
}

// No other frame can send here: the page's policy lets it have none, and VS Code hands on what the extension sends.
window.addEventListener('message', ({ data }: MessageEvent<unknown>) => {
  if (isMessage(data)) {
    receive(data);
  }
});
vscode.postMessage({ kind: 'ready' });
