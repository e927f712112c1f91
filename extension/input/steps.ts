/** Questions asked one after the other, with a Back button to the one before. */
import * as vscode from 'vscode';

/** Where a question stands, for its title bar: `2/4`. */
export interface StepPosition {
  title: string;
  step: number;
  totalSteps: number;
}

export type StepEnd = 'next' | 'back' | 'cancel';
/** Asks one question and files the answer where the asker wants it. */
export type Step = (position: StepPosition) => Promise<StepEnd>;

/** @returns false when the user dismissed a question */
export async function askSteps(title: string, steps: readonly Step[]): Promise<boolean> {
  let index = 0;
  for (let step = steps[0]; step !== undefined; step = steps[index]) {
    const end = await step({ title, step: index + 1, totalSteps: steps.length });
    if (end === 'cancel') {
      return false;
    }
    index += end === 'next' ? 1 : -1;
  }
  return true;
}

export interface Choice<T extends vscode.QuickPickItem> {
  placeholder: string;
  items: readonly T[];
}

export async function pickStep<T extends vscode.QuickPickItem>(
  position: StepPosition,
  { placeholder, items }: Choice<T>,
  accept: (item: T) => void,
): Promise<StepEnd> {
  const pick = vscode.window.createQuickPick<T>();
  pick.items = items;
  pick.placeholder = placeholder;
  pick.matchOnDescription = true;
  return ask(pick, position, (end) =>
    pick.onDidAccept(() => {
      const [item] = pick.selectedItems;
      if (item !== undefined) {
        accept(item);
        end('next');
      }
    }),
  );
}

/** Takes any number of items, none included. */
export async function pickManyStep<T extends vscode.QuickPickItem>(
  position: StepPosition,
  { placeholder, items }: Choice<T>,
  accept: (items: readonly T[]) => void,
): Promise<StepEnd> {
  const pick = vscode.window.createQuickPick<T>();
  pick.canSelectMany = true;
  pick.items = items;
  pick.selectedItems = items.filter(({ picked }) => picked === true);
  pick.placeholder = placeholder;
  return ask(pick, position, (end) =>
    pick.onDidAccept(() => {
      accept(pick.selectedItems);
      end('next');
    }),
  );
}

export interface TextQuestion {
  prompt: string;
  value: string;
  /** @returns a sentence when the value cannot be used */
  problem: (value: string) => string | undefined;
}

export async function textStep(
  position: StepPosition,
  { prompt, value, problem }: TextQuestion,
  accept: (value: string) => void,
): Promise<StepEnd> {
  const box = vscode.window.createInputBox();
  box.prompt = prompt;
  box.value = value;
  box.valueSelection = [0, value.length];
  const check = (): boolean => {
    box.validationMessage = problem(box.value);
    return box.validationMessage === undefined;
  };
  return ask(box, position, (end) =>
    vscode.Disposable.from(
      box.onDidChangeValue(check),
      box.onDidAccept(() => {
        if (check()) {
          accept(box.value.trim());
          end('next');
        }
      }),
    ),
  );
}

/** What input boxes and quick picks have in common. */
type StepInput = vscode.QuickInput & Pick<vscode.InputBox, 'buttons' | 'onDidTriggerButton'>;

async function ask(
  input: StepInput,
  position: StepPosition,
  listen: (end: (how: StepEnd) => void) => vscode.Disposable,
): Promise<StepEnd> {
  input.title = position.title;
  input.step = position.step;
  input.totalSteps = position.totalSteps;
  input.ignoreFocusOut = true;
  input.buttons = position.step > 1 ? [vscode.QuickInputButtons.Back] : [];
  const { promise, end } = ending();
  const listener = vscode.Disposable.from(
    listen(end),
    input.onDidTriggerButton(() => end('back')),
    input.onDidHide(() => end('cancel')),
  );
  try {
    input.show();
    return await promise;
  } finally {
    listener.dispose();
    input.dispose();
  }
}

function ending(): { promise: Promise<StepEnd>; end: (how: StepEnd) => void } {
  let end: (how: StepEnd) => void = () => undefined;
  const promise = new Promise<StepEnd>((resolve) => {
    end = resolve;
  });
  return { promise, end };
}
