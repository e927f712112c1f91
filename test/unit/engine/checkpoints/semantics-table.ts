/**
 * What deleting does, as Hyper-V shows it. A tree is written `A(B C(Now))`: B and C hang from A, and Now from C.
 *
 * Layers are written alike, each by the checkpoint whose layer it was: `[A]` is hidden, no checkpoint names it; `C@B` is what
 * C names now, in the file that was B's. Where nothing is merged the layers look as the tree that they were made for.
 */

/** Checkpoints that are deleted one after the other, each with the tree and the layers that are left when it goes for good. */
export interface DeleteRow {
  given: string;
  /** Checkpoints whose own layers have much data: a merge with one moves the other's into it. */
  big?: string;
  /** Its merges are such that they are tried in every format. */
  merges?: true;
  deletes: readonly (readonly [what: string, tree: string, layers: string])[];
}

export const deletes: Readonly<Record<string, DeleteRow>> = {
  'a leaf off Now’s branch: its layer goes': {
    given: 'A(B C(Now))',
    deletes: [['B', 'A(C(Now))', 'A(C(Now))']],
  },
  'a leaf on a branch that Now never was on: its layer goes, nothing is merged': {
    given: 'A(B(C D) E(Now))',
    deletes: [['C', 'A(B(D) E(Now))', 'A(B(D) E(Now))']],
  },
  'the checkpoint that Now hangs from: Now hangs from its parent, and takes its data in': {
    given: 'A(B(Now))',
    deletes: [['B', 'A(Now)', 'A(Now)']],
  },
  'the same, with much data: Now’s data goes down': {
    given: 'A(B(Now))',
    big: 'B',
    deletes: [['B', 'A(Now)', 'A(Now@B)']],
  },
  'the only checkpoint': {
    given: 'A(Now)',
    deletes: [['A', 'Now', 'Now']],
  },
  'the only checkpoint, with much data': {
    given: 'A(Now)',
    big: 'A',
    deletes: [['A', 'Now', 'Now@A']],
  },
  'the root, with one child: the child is the root': {
    given: 'A(B(Now))',
    deletes: [['A', 'B(Now)', 'B(Now)']],
  },
  'the root, with one child and much data': {
    given: 'A(B(Now))',
    big: 'A',
    deletes: [['A', 'B(Now)', 'B@A(Now)']],
  },
  'the middle of a line': {
    given: 'A(B(C(Now)))',
    deletes: [['B', 'A(C(Now))', 'A(C(Now))']],
  },
  'the middle of a line, with much data: what stood on its child stands on it': {
    given: 'A(B(C(D Now)))',
    big: 'B',
    deletes: [['B', 'A(C(D Now))', 'A(C@B(D Now))']],
  },
  'the middle of a line that Now is not on': {
    given: 'A(B(C) D(Now))',
    deletes: [['B', 'A(C D(Now))', 'A(C D(Now))']],
  },
  'the middle of a line that Now is not on, with much data': {
    given: 'A(B(C) D(Now))',
    big: 'B',
    deletes: [['B', 'A(C D(Now))', 'A(C@B D(Now))']],
  },
  'two in the middle of a line, from the top': {
    merges: true,
    given: 'A(B(C(D(Now))))',
    deletes: [
      ['B', 'A(C(D(Now)))', 'A(C(D(Now)))'],
      ['C', 'A(D(Now))', 'A(D(Now))'],
    ],
  },
  'two in the middle of a line, from the bottom, the upper one with much data': {
    given: 'A(B(C(D(Now))))',
    big: 'B',
    deletes: [
      ['C', 'A(B(D(Now)))', 'A(B(D(Now)))'],
      ['B', 'A(D(Now))', 'A(D@B(Now))'],
    ],
  },
  'the root, with two children: two roots on a hidden layer': {
    given: 'A(B C(Now))',
    deletes: [['A', 'B C(Now)', '[A](B C(Now))']],
  },
  '… then the child off Now’s branch: the hidden layer goes into the other': {
    given: 'A(B C(Now))',
    deletes: [
      ['A', 'B C(Now)', '[A](B C(Now))'],
      ['B', 'C(Now)', 'C(Now)'],
    ],
  },
  '… then the child that Now hangs from: Now stands on the hidden layer': {
    given: 'A(B C(Now))',
    deletes: [
      ['A', 'B C(Now)', '[A](B C(Now))'],
      ['C', 'B Now', '[A](B Now)'],
      ['B', 'Now', 'Now'],
    ],
  },
  '… then both, where the hidden layer has much data: Now’s data goes down': {
    given: 'A(B C(Now))',
    big: 'A',
    deletes: [
      ['A', 'B C(Now)', '[A](B C(Now))'],
      ['B', 'C(Now)', 'C@A(Now)'],
      ['C', 'Now', 'Now@A'],
    ],
  },
  'one with two children inside of the tree: hidden until one child is left': {
    given: 'A(B(C D(Now)))',
    deletes: [
      ['B', 'A(C D(Now))', 'A([B](C D(Now)))'],
      ['C', 'A(D(Now))', 'A(D(Now))'],
      ['D', 'A(Now)', 'A(Now)'],
    ],
  },
  'one with three children: hidden until one child is left': {
    given: 'A(B C D(Now))',
    deletes: [
      ['A', 'B C D(Now)', '[A](B C D(Now))'],
      ['B', 'C D(Now)', '[A](C D(Now))'],
      ['D', 'C Now', '[A](C Now)'],
      ['C', 'Now', 'Now'],
    ],
  },
  'one from which a checkpoint and Now hang: Now is a child like any other': {
    given: 'A(B Now)',
    deletes: [
      ['A', 'B Now', '[A](B Now)'],
      ['B', 'Now', 'Now'],
    ],
  },
  'one from which a leaf and Now hang, inside of the tree': {
    merges: true,
    given: 'A(B(C Now))',
    deletes: [
      ['B', 'A(C Now)', 'A([B](C Now))'],
      ['A', 'C Now', '[B](C Now)'],
      ['C', 'Now', 'Now'],
    ],
  },
  'hidden layers on hidden layers': {
    merges: true,
    given: 'A(B(C D) E(Now))',
    deletes: [
      ['A', 'B(C D) E(Now)', '[A](B(C D) E(Now))'],
      ['B', 'C D E(Now)', '[A]([B](C D) E(Now))'],
      ['C', 'D E(Now)', '[A](D E(Now))'],
      ['E', 'D Now', '[A](D Now)'],
      ['D', 'Now', 'Now'],
    ],
  },
  'a hidden layer between two with much data: each goes the way of fewer bytes': {
    given: 'A(B(C D(Now)))',
    big: 'B',
    deletes: [
      ['B', 'A(C D(Now))', 'A([B](C D(Now)))'],
      ['D', 'A(C Now)', 'A([B](C Now))'],
      ['C', 'A(Now)', 'A(Now@B)'],
    ],
  },
  'a subtree that Now is outside of: nothing is merged': {
    given: 'A(B(C D) E(Now))',
    deletes: [['the subtree of B', 'A(E(Now))', 'A(E(Now))']],
  },
  'a subtree that is a line, off Now’s branch': {
    given: 'A(B(C(D)) Now)',
    deletes: [['the subtree of C', 'A(B Now)', 'A(B Now)']],
  },
  'a subtree that Now is inside of: Now hangs from what the subtree hung from': {
    merges: true,
    given: 'A(B(C(Now) D))',
    deletes: [['the subtree of B', 'A(Now)', 'A(Now)']],
  },
  'a subtree that Now is inside of, with much data': {
    given: 'A(B(C(Now) D))',
    big: 'B',
    deletes: [['the subtree of B', 'A(Now)', 'A(Now@B)']],
  },
  'a subtree on a hidden layer: the hidden layer goes too': {
    given: 'A(B(C) D(Now))',
    deletes: [
      ['A', 'B(C) D(Now)', '[A](B(C) D(Now))'],
      ['the subtree of B', 'D(Now)', 'D(Now)'],
    ],
  },
  'the whole tree: Now is all that is left': {
    given: 'A(B(C E) D(Now))',
    deletes: [['the subtree of A', 'Now', 'Now']],
  },
  'the whole tree, one by one from the top': {
    given: 'A(B(C) D(Now))',
    deletes: [
      ['A', 'B(C) D(Now)', '[A](B(C) D(Now))'],
      ['B', 'C D(Now)', '[A](C D(Now))'],
      ['C', 'D(Now)', 'D(Now)'],
      ['D', 'Now', 'Now'],
    ],
  },
  'the whole tree, one by one from the bottom': {
    given: 'A(B(C) D(Now))',
    deletes: [
      ['D', 'A(B(C) Now)', 'A(B(C) Now)'],
      ['C', 'A(B Now)', 'A(B Now)'],
      ['B', 'A(Now)', 'A(Now)'],
      ['A', 'Now', 'Now'],
    ],
  },
};

/** What the trash does besides: each step, with the tree and the layers after it. */
export const trashStories: Readonly<Record<string, Omit<DeleteRow, 'deletes'> & { steps: DeleteRow['deletes'] }>> = {
  'a child is restored whose parent has gone for good: it hangs from the grandparent': {
    given: 'A(B(C(Now)))',
    steps: [
      ['delete C', 'A(B(Now))', 'A(B(C(Now)))'],
      ['delete B for good', 'A(Now)', 'A(C(Now))'],
      ['restore C', 'A(C(Now))', 'A(C(Now))'],
    ],
  },
  'a parent is restored whose child has gone for good: what hung from that hangs from it': {
    given: 'A(B(C(D Now)))',
    steps: [
      ['delete B', 'A(C(D Now))', 'A(B(C(D Now)))'],
      ['delete C for good', 'A(D Now)', 'A(B([C](D Now)))'],
      ['restore B', 'A(B(D Now))', 'A(B([C](D Now)))'],
    ],
  },
  'a line that was deleted from the top is restored from the top': {
    given: 'A(B(C(Now)))',
    steps: [
      ['delete A', 'B(C(Now))', 'A(B(C(Now)))'],
      ['delete B', 'C(Now)', 'A(B(C(Now)))'],
      ['delete C', 'Now', 'A(B(C(Now)))'],
      ['restore A', 'A(Now)', 'A(B(C(Now)))'],
      ['restore B', 'A(B(Now))', 'A(B(C(Now)))'],
      ['restore C', 'A(B(C(Now)))', 'A(B(C(Now)))'],
    ],
  },
  'restored from the bottom': {
    given: 'A(B(C(Now)))',
    steps: [
      ['delete the subtree of A', 'Now', 'A(B(C(Now)))'],
      ['restore C', 'C(Now)', 'A(B(C(Now)))'],
      ['restore A', 'A(C(Now))', 'A(B(C(Now)))'],
      ['restore B', 'A(B(C(Now)))', 'A(B(C(Now)))'],
    ],
  },
  'what is in the trash keeps a hidden layer in use; emptied, it merges': {
    given: 'A(B C(Now))',
    steps: [
      ['delete A for good', 'B C(Now)', '[A](B C(Now))'],
      ['delete B', 'C(Now)', '[A](B C(Now))'],
      ['empty the trash', 'C(Now)', 'C(Now)'],
    ],
  },
  'one of two is discarded, the other restored': {
    given: 'A(B(C D(Now)))',
    steps: [
      ['delete the subtree of B', 'A(Now)', 'A(B(C D(Now)))'],
      ['discard B', 'A(Now)', 'A([B](C D(Now)))'],
      ['restore C', 'A(C Now)', 'A([B](C D(Now)))'],
      ['restore D', 'A(C D(Now))', 'A([B](C D(Now)))'],
      ['delete D for good', 'A(C Now)', 'A([B](C Now))'],
    ],
  },
  'restored, deleted and restored again': {
    given: 'A(B(Now) C)',
    steps: [
      ['delete B', 'A(C Now)', 'A(B(Now) C)'],
      ['restore B', 'A(B(Now) C)', 'A(B(Now) C)'],
      ['delete A', 'B(Now) C', 'A(B(Now) C)'],
      ['delete B', 'C Now', 'A(B(Now) C)'],
      ['restore B', 'B(Now) C', 'A(B(Now) C)'],
      ['restore A', 'A(B(Now) C)', 'A(B(Now) C)'],
    ],
  },
  'Now goes elsewhere, and what it hung from is restored: Now stays where it is': {
    given: 'A(B(Now) C)',
    steps: [
      ['delete B', 'A(C Now)', 'A(B(Now) C)'],
      ['apply C', 'A(C(Now))', 'A(B C(Now))'],
      ['restore B', 'A(B C(Now))', 'A(B C(Now))'],
    ],
  },
};
