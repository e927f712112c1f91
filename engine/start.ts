import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { Script } from 'node:vm';
import { CompiledCode } from './store/compiled-code.ts';
import { defaultHome } from './store/home.ts';
import { standInVerb, whenForsaken } from './store/stand-in.ts';

/** The program, beside this file; what it is compiled to is remembered in the home from one engine to the next. */
const file = path.join(__dirname, 'engine-program.js');

/** A server has carried out by then what it was started for; its first calls compile most of what it ever uses. */
const rememberAfterMs = 20_000;

function start(): void {
  const content = readFileSync(file);
  const face = process.argv[2] === 'serve' ? 'server' : 'ckpt';
  const code = new CompiledCode(defaultHome().cache, face, content);
  const cachedData = code.read();
  const script = new Script(`(function (exports, require, module, __filename, __dirname) {${content.toString()}\n})`, {
    filename: file,
    ...(cachedData === undefined ? {} : { cachedData }),
  });
  const program: unknown = script.runInThisContext();
  const loaded = { exports: {} };
  if (typeof program === 'function') {
    Reflect.apply(program, undefined, [loaded.exports, createRequire(file), loaded, file, path.dirname(file)]);
  }
  if (cachedData === undefined || script.cachedDataRejected === true) {
    const remember = (): void => {
      clearTimeout(timer);
      process.removeListener('exit', remember);
      code.write(script.createCachedData());
    };
    const timer = setTimeout(remember, rememberAfterMs).unref();
    process.once('exit', remember);
  }
}

// A stand-in has nothing to do as long as the engine lives that began it: what that takes is not read before.
if (process.argv[2] === standInVerb) {
  whenForsaken(start);
} else {
  start();
}
