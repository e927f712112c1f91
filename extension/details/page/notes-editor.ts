/**
 * The notes of the selected checkpoint. What is typed is a draft until it is saved, and stays one while other points are looked
 * at and while the page is hidden. A draft remembers what it was begun on, so that nobody else's notes are overwritten unseen.
 */
import type { FromPage, NotesAnswer } from '../messages.ts';
import type { PageTexts, Point } from '../page-model.ts';
import { element, type PageElement } from './element.ts';
import type { NotesDraft } from './page-state.ts';

export interface NotesPage {
  drafts(): Readonly<Record<string, NotesDraft>>;
  keepDrafts(drafts: Readonly<Record<string, NotesDraft>>): void;
  send(message: FromPage): void;
  redraw(): void;
}

export class NotesEditor {
  readonly #page: NotesPage;
  /** Checkpoints whose notes are on their way. */
  readonly #saving = new Set<string>();
  #answer: NotesAnswer | undefined;

  constructor(page: NotesPage) {
    this.#page = page;
  }

  /** @param canEdit otherwise they are only shown */
  view({ id, notes = '' }: Point, texts: PageTexts, canEdit: boolean): PageElement {
    const draft = this.#page.drafts()[id];
    const isSaving = this.#saving.has(id);
    const answer = this.#answer?.checkpoint === id ? this.#answer : undefined;
    return element('div', { class: 'notes' }, [
      element('label', { for: 'notes' }, [texts.notes]),
      element(
        'textarea',
        {
          id: 'notes',
          rows: 3,
          readonly: !canEdit || isSaving,
          placeholder: canEdit ? texts.noNotes : undefined,
          'aria-describedby': 'notes-answer',
        },
        [],
        {
          key: id,
          value: draft?.text ?? notes,
          on: { input: (event) => this.#type(id, notes, event), keydown: (event) => this.#press(id, event) },
        },
      ),
      draft === undefined
        ? undefined
        : element('div', { class: 'actions' }, [
            element('button', { type: 'button', class: 'primary', disabled: isSaving }, [texts.save], {
              on: { click: () => this.#save(id) },
            }),
            element('button', { type: 'button', class: 'secondary', disabled: isSaving }, [texts.discardDraft], {
              on: { click: () => this.#discard(id) },
            }),
          ]),
      element('p', { id: 'notes-answer', role: 'status', class: answer?.outcome ?? '' }, [answer?.text ?? '']),
      answer?.theirs === undefined ? undefined : element('blockquote', {}, [answer.theirs]),
    ]);
  }

  answered(answer: NotesAnswer): void {
    const { checkpoint, outcome, theirs } = answer;
    const draft = this.#page.drafts()[checkpoint];
    this.#saving.delete(checkpoint);
    this.#answer = answer;
    if (outcome === 'saved') {
      this.#keep(checkpoint, undefined);
    } else if (draft !== undefined && theirs !== undefined) {
      // Now that they have been shown, saving again replaces them.
      this.#keep(checkpoint, { ...draft, before: theirs });
    }
    this.#page.redraw();
  }

  #type(id: string, notes: string, { currentTarget }: Event): void {
    if (currentTarget instanceof HTMLTextAreaElement) {
      const before = this.#page.drafts()[id]?.before ?? notes;
      const text = currentTarget.value;
      this.#answer = undefined;
      this.#keep(id, text === before && before === notes ? undefined : { text, before });
      this.#page.redraw();
    }
  }

  /** Ctrl+Enter saves. */
  #press(id: string, event: Event): void {
    if (event instanceof KeyboardEvent && event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      this.#save(id);
    }
  }

  #save(id: string): void {
    const draft = this.#page.drafts()[id];
    if (draft !== undefined && !this.#saving.has(id)) {
      this.#saving.add(id);
      this.#page.send({ kind: 'saveNotes', checkpoint: id, notes: draft.text, before: draft.before });
      document.getElementById('notes')?.focus();
      this.#page.redraw();
    }
  }

  #discard(id: string): void {
    this.#answer = undefined;
    this.#keep(id, undefined);
    document.getElementById('notes')?.focus();
    this.#page.redraw();
  }

  #keep(id: string, draft: NotesDraft | undefined): void {
    const { [id]: _, ...others } = this.#page.drafts();
    this.#page.keepDrafts(draft === undefined ? others : { ...others, [id]: draft });
  }
}
