import { AsyncLocalStorage } from 'node:async_hooks';
import childProcess from 'node:child_process';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import {
  descriptorCalls,
  handleCalls,
  isChangingOpen,
  isChangingProgram,
  libraryCall,
  pathCalls,
  type ChangingCall,
} from './changing-calls.ts';
import type { Verdict } from './fault.ts';
import { doHalf, withHalf } from './half-done.ts';
import { isFunction, wrapProperty, type AnyFunction } from './property-wrap.ts';

/** A process, or what is taken for one, whose calls are counted. */
export interface Subject {
  /** Whether it is dead: then nothing that it calls happens, and nothing comes back to it. */
  readonly isDead: boolean;
  /** Whether what is to be made durable really is; a mere death of a process loses nothing of what the kernel has. */
  readonly isSynced: boolean;
  next(call: string, place: string | undefined, needsSpace: boolean): Verdict;
  /** Does not return in a real process. */
  die(): void;
  /** A call of it is on its way to the kernel until `ended`. */
  began(): void;
  ended(): void;
  /** It has opened a file: `close` closes that as its death does. */
  opened(key: unknown, place: string | undefined, close: () => unknown): void;
  closed(key: unknown): void;
}

const never = new Promise<never>(() => undefined);

/** Node's own functions call one another: what happens inside of one is no call of the subject's. */
const within = new AsyncLocalStorage<true>();

function inside(call: AnyFunction, that: unknown, values: readonly unknown[]): unknown {
  return within.run(true, () => Reflect.apply(call, that, values));
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value.map((one: unknown) => one) : [];
}

/**
 * From now on every call that changes something in the file system, of this whole process, is told to a subject first.
 * To be called before the modules are loaded whose calls count: some keep the functions that they import.
 * @param findSubject whose call it is that is being made; undefined: nobody's, so that it is made as it is
 */
export function interceptChanges(findSubject: () => Subject | undefined): void {
  const find = (): Subject | undefined => (within.getStore() === true ? undefined : findSubject());
  for (const call of pathCalls) {
    wrapPromised(fs.promises, call, find);
    if (Reflect.has(fs, call.name)) {
      wrapCalledBack(fs, call, find);
      wrapSynchronous(fs, call, find);
    }
  }
  for (const call of descriptorCalls) {
    wrapCalledBack(fs, call, find);
    wrapSynchronous(fs, call, find);
  }
  wrapOpens(find);
  wrapSynchronousOpens(find);
  wrapPrograms(find);
  wrapLibraries(find);
  syncBuiltinESMExports();
}

/** Carries a call out as its subject's plan has it. */
async function carryOut(
  subject: Subject,
  call: ChangingCall,
  values: readonly unknown[],
  perform: (values: readonly unknown[]) => unknown,
): Promise<unknown> {
  if (subject.isDead) {
    return never;
  }
  const verdict = subject.next(call.name, placeOf(values), call.needsSpace === true);
  if (verdict instanceof Error) {
    throw verdict;
  }
  if (call.syncs === true && !subject.isSynced && verdict === 'do') {
    return undefined;
  }
  const result = await underWay(subject, async () => {
    if (verdict === 'die-half') {
      const half = withHalf(call, values);
      return half === undefined ? doHalf(call.name, values) : perform(half);
    }
    return verdict === 'die-before' ? undefined : perform(values);
  });
  if (verdict !== 'do') {
    subject.die();
    return never;
  }
  return result;
}

/** Whoever is dead when its call ends does not hear of it. */
async function underWay(subject: Subject, work: () => Promise<unknown>): Promise<unknown> {
  subject.began();
  const [result] = await Promise.allSettled([work()]);
  subject.ended();
  if (subject.isDead) {
    return never;
  }
  if (result.status === 'rejected') {
    throw result.reason;
  }
  return result.value;
}

function wrapPromised(owner: object, call: ChangingCall, find: () => Subject | undefined): void {
  wrapProperty(
    owner,
    call.name,
    (original) =>
      function (...values) {
        const subject = find();
        return subject === undefined
          ? Reflect.apply(original, this, values)
          : carryOut(subject, call, values, (used) => inside(original, this, used));
      },
  );
}

function wrapCalledBack(owner: object, call: ChangingCall, find: () => Subject | undefined): void {
  wrapProperty(
    owner,
    call.name,
    (original) =>
      function (...values) {
        const subject = find();
        const done = values.at(-1);
        if (subject === undefined || !isFunction(done)) {
          return Reflect.apply(original, this, values);
        }
        carryOut(subject, call, values.slice(0, -1), (used) => promised(original, used)).then(
          (result) => done(null, ...listOf(result)),
          (error: unknown) => done(error),
        );
        return undefined;
      },
  );
}

/** @returns what the callback gets after its error */
function promised(original: AnyFunction, values: readonly unknown[]): Promise<unknown[]> {
  return new Promise((resolve, reject) => {
    inside(original, undefined, [
      ...values,
      (error: unknown, ...results: unknown[]) => {
        if (error === null || error === undefined) {
          resolve(results);
        } else {
          reject(error instanceof Error ? error : new Error('a call failed'));
        }
      },
    ]);
  });
}

function wrapSynchronous(owner: object, call: ChangingCall, find: () => Subject | undefined): void {
  wrapProperty(owner, `${call.name}Sync`, (original) => synchronous(original, call, find));
}

/** @param failed what a call gives back that fails without throwing */
function synchronous(
  original: AnyFunction,
  call: ChangingCall,
  find: () => Subject | undefined,
  failed?: unknown,
): AnyFunction {
  return function (...values) {
    const subject = find();
    if (subject === undefined) {
      return Reflect.apply(original, this, values);
    }
    const verdict = subject.isDead ? 'die-before' : subject.next(call.name, placeOf(values), call.needsSpace === true);
    if (verdict instanceof Error) {
      if (failed === undefined) {
        throw verdict;
      }
      return failed;
    }
    if (verdict === 'die-half') {
      const half = withHalf(call, values);
      if (half !== undefined) {
        inside(original, this, half);
      } else {
        doHalf(call.name, values);
      }
    }
    const result: unknown = verdict === 'do' || verdict === 'die-after' ? inside(original, this, values) : undefined;
    if (verdict !== 'do' && !subject.isDead) {
      subject.die();
    }
    return result;
  };
}

/** Opening is a change where it makes the file; what is open closes with whoever opened it. */
function wrapOpens(find: () => Subject | undefined): void {
  const call: ChangingCall = { name: 'open', needsSpace: true };
  let isPrototypeWrapped = false;
  wrapProperty(
    fs.promises,
    'open',
    (original) =>
      async function (...values) {
        const subject = find();
        if (subject?.isDead === true) {
          return never;
        }
        const open = (): unknown => Reflect.apply(original, undefined, values);
        const handle: unknown =
          subject !== undefined && isChangingOpen(values[1])
            ? await carryOut(subject, call, values, open)
            : await open();
        if (typeof handle === 'object' && handle !== null) {
          const prototype: unknown = Reflect.getPrototypeOf(handle);
          if (!isPrototypeWrapped && typeof prototype === 'object' && prototype !== null) {
            isPrototypeWrapped = true;
            handleCalls.forEach((one) => wrapPromised(prototype, one, find));
          }
          if (subject !== undefined) {
            followHandle(handle, placeOf(values), subject);
          }
        }
        return handle;
      },
  );
  wrapProperty(
    fs,
    'open',
    (original) =>
      function (...values) {
        const subject = find();
        const done = values.at(-1);
        if (subject === undefined || !isFunction(done)) {
          return Reflect.apply(original, this, values);
        }
        const given = values.slice(0, -1);
        const open = (used: readonly unknown[]): Promise<unknown[]> => promised(original, used);
        (isChangingOpen(given[1]) ? carryOut(subject, call, given, open) : open(given)).then(
          (result) => {
            const [descriptor] = listOf(result);
            if (typeof descriptor === 'number') {
              subject.opened(descriptor, placeOf(given), () => realCloseSync(descriptor));
            }
            done(null, descriptor);
          },
          (error: unknown) => done(error),
        );
        return undefined;
      },
  );
  wrapProperty(
    fs,
    'close',
    (original) =>
      function (...values) {
        const subject = find();
        if (subject?.isDead === true) {
          return undefined;
        }
        subject?.closed(values[0]);
        return Reflect.apply(original, this, values);
      },
  );
}

const realCloseSync = fs.closeSync;

/** The dead get an error, since something has to come back: whatever they make of it changes nothing any more. */
function wrapSynchronousOpens(find: () => Subject | undefined): void {
  const call: ChangingCall = { name: 'open', needsSpace: true };
  wrapProperty(fs, 'openSync', (original) => {
    const changing = synchronous(original, call, find);
    return function (...values) {
      const subject = find();
      if (subject === undefined) {
        return Reflect.apply(original, this, values);
      }
      const descriptor: unknown = subject.isDead
        ? undefined
        : Reflect.apply(isChangingOpen(values[1]) ? changing : original, this, values);
      if (typeof descriptor !== 'number') {
        throw new Error('It is dead.');
      }
      subject.opened(descriptor, placeOf(values), () => realCloseSync(descriptor));
      return descriptor;
    };
  });
  wrapProperty(
    fs,
    'closeSync',
    (original) =>
      function (...values) {
        const subject = find();
        if (subject?.isDead === true) {
          return undefined;
        }
        subject?.closed(values[0]);
        return Reflect.apply(original, this, values);
      },
  );
}

/** A `FileHandle` has its `close` as a property of its own. */
function followHandle(handle: object, place: string | undefined, subject: Subject): void {
  wrapProperty(handle, 'close', (original) => {
    subject.opened(handle, place, () => Reflect.apply(original, handle, []));
    return () => {
      if (subject.isDead) {
        return never;
      }
      subject.closed(handle);
      return Reflect.apply(original, handle, []);
    };
  });
}

/** A program that changes files is one call; an error of the volume is told in its words. */
function wrapPrograms(find: () => Subject | undefined): void {
  const call: ChangingCall = { name: 'program', needsSpace: true };
  wrapProperty(
    childProcess,
    'execFile',
    (original) =>
      function (...values) {
        const subject = find();
        const done = values.at(-1);
        if (subject === undefined || !isFunction(done) || !isChangingProgram(values[0], values[1])) {
          return Reflect.apply(original, this, values);
        }
        let outcome: unknown[] = [];
        const perform = (used: readonly unknown[]): Promise<void> =>
          new Promise((resolve) => {
            Reflect.apply(original, undefined, [
              ...used,
              (...results: unknown[]) => {
                outcome = results;
                resolve();
              },
            ]);
          });
        carryOut(subject, call, values.slice(0, -1), perform).then(
          () => done(...outcome),
          (error: unknown) => {
            const isFull = error instanceof Error && 'code' in error && error.code === 'ENOSPC';
            const words = isFull ? 'No space left on device' : 'Input/output error';
            done(Object.assign(new Error(words), { code: 1 }), '', `qemu-img: ${words}\n`);
          },
        );
        return undefined;
      },
  );
}

/** Functions of the C library, by whichever bundle the package that calls them is loaded. */
function wrapLibraries(find: () => Subject | undefined): void {
  wrapProperty(
    process,
    'dlopen',
    (original) =>
      function (...values) {
        const result: unknown = Reflect.apply(original, this, values);
        const [module] = values;
        const exported: unknown =
          typeof module === 'object' && module !== null ? Reflect.get(module, 'exports') : undefined;
        if (typeof exported === 'object' && exported !== null && isFunction(Reflect.get(exported, 'load'))) {
          wrapProperty(
            exported,
            'load',
            (load) =>
              function (...names) {
                const library: unknown = Reflect.apply(load, this, names);
                return typeof library === 'object' && library !== null ? wrapLibrary(library, find) : library;
              },
          );
        }
        return result;
      },
  );
}

function wrapLibrary(library: object, find: () => Subject | undefined): object {
  const declare: unknown = Reflect.get(library, 'func');
  if (!isFunction(declare)) {
    return library;
  }
  return {
    func: (...prototype: unknown[]): unknown => {
      const original: unknown = Reflect.apply(declare, library, prototype);
      const name = libraryCall.exec(prototype.map(String).join(' '))?.[1];
      return name === undefined || !isFunction(original) ? original : wrapLibraryFunction(original, name, find);
    },
  };
}

/** They tell an error by giving back -1. */
function wrapLibraryFunction(original: AnyFunction, name: string, find: () => Subject | undefined): AnyFunction {
  const call: ChangingCall = { name, needsSpace: true };
  const asynchronous: unknown = Reflect.get(original, 'async');
  return Object.assign(synchronous(original, call, find, -1), {
    async: function (...values: unknown[]): unknown {
      const subject = find();
      const done = values.at(-1);
      if (!isFunction(asynchronous) || !isFunction(done)) {
        throw new Error(`${name} cannot be called on another thread.`);
      }
      if (subject === undefined) {
        return Reflect.apply(asynchronous, original, values);
      }
      const perform = (used: readonly unknown[]): Promise<unknown[]> =>
        promised((...all) => Reflect.apply(asynchronous, original, all), used);
      carryOut(subject, call, values.slice(0, -1), perform).then(
        (result) => done(null, ...listOf(result)),
        () => done(null, -1),
      );
      return undefined;
    },
  });
}

function placeOf(values: readonly unknown[]): string | undefined {
  return typeof values[0] === 'string' ? values[0] : undefined;
}
