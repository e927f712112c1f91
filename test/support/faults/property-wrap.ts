/** Any function, as one that stands in for it sees it. */
export type AnyFunction = (this: unknown, ...values: unknown[]) => unknown;

export function isFunction(value: unknown): value is AnyFunction {
  return typeof value === 'function';
}

/** Puts a function in the place of one that an object has. What hangs from that (`util.promisify.custom`, …) hangs from the new one too. */
export function wrapProperty(owner: object, name: string, wrap: (original: AnyFunction) => AnyFunction): void {
  const original: unknown = Reflect.get(owner, name);
  if (!isFunction(original)) {
    throw new Error(`There is no function ${name} to stand in for.`);
  }
  const wrapped = wrap(original);
  Object.defineProperties(wrapped, Object.getOwnPropertyDescriptors(original));
  Object.defineProperty(owner, name, { value: wrapped, writable: true, configurable: true, enumerable: true });
}
