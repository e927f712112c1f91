// Bundles the extension and the engine into dist/: the extension with its connection to the engine in a second file, which is read while
// the engine starts; the engine with another file that starts it; the page of details, and the native files of one platform: node esbuild.mjs [--target=PLATFORM], with the names of `vsce package --target`; without,
// this computer's.
import { existsSync } from 'node:fs';
import { chmod, cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { build } from 'esbuild';

const root = import.meta.dirname;
const dist = path.join(root, 'dist');
const nativePackage = path.join(root, 'node_modules/fs-native-extensions');
const target = process.argv.find((argument) => argument.startsWith('--target='))?.slice(9) ?? targetHere();
const [system, arch] = target.split('-');
if (!/^(?:linux|alpine|darwin|win32)-(?:x64|arm64)$/.test(target)) {
  throw new Error(`There is no platform ${target}. Known: linux, alpine, darwin or win32, with -x64 or -arm64.`);
}
/** As Node names it. */
const platform = `${system === 'alpine' ? 'linux' : system}-${arch}`;

/** The package looks for its binary beside itself; in the bundle it lies beside the bundle. */
const nativeBinary = {
  name: 'native-binary',
  setup(context) {
    context.onLoad({ filter: /fs-native-extensions[\\/]binding\.js$/ }, () => ({
      contents: 'module.exports = require(`${__dirname}/native/${process.platform}-${process.arch}.node`)',
      loader: 'js',
    }));
  },
};

/** Likewise; one package a platform. Windows' engine does without. */
const callsIntoLibc = {
  name: 'calls-into-libc',
  setup(context) {
    context.onResolve({ filter: /^@koromix\/koffi-/ }, ({ path: name }) => {
      const isWanted = name.endsWith(`koffi-${platform}`) && system !== 'win32';
      if (isWanted && !existsSync(path.join(root, 'node_modules', name))) {
        throw new Error(`${name} is not installed: npm install --no-save --force ${name}`);
      }
      return isWanted ? { path: name, namespace: 'calls-into-libc' } : { path: name, external: true };
    });
    context.onLoad({ filter: /./, namespace: 'calls-into-libc' }, async ({ path: name }) => {
      const folder = path.basename(name);
      // It has a binary for each C library of Linux.
      const otherLibc = system === 'alpine' ? `linux_${arch}` : `musl_${arch}`;
      await cp(path.join(root, 'node_modules', name), path.join(dist, 'native', folder), {
        recursive: true,
        filter: (source) => path.basename(source) !== otherLibc,
      });
      return { contents: `module.exports = require(\`\${__dirname}/native/${folder}/index.js\`)`, loader: 'js' };
    });
  },
};

/** What a schema says about bad input is read in logs and by agents, in English; the library brings fifty languages. */
const oneLanguage = {
  name: 'one-language',
  setup(context) {
    context.onLoad({ filter: /zod[\\/]v4[\\/]locales[\\/]index\.js$/ }, () => ({
      contents: "export { default as en } from './en.js'",
      loader: 'js',
    }));
  },
};

/**
 * Each module that imports VS Code's interface would copy all of its members, hundreds of them, when it is read. What inherits them
 * has none to copy.
 */
const interfaceOnce = {
  name: 'interface-once',
  setup(context) {
    const namespace = 'interface-once';
    context.onResolve({ filter: /^vscode$/ }, ({ namespace: from }) =>
      from === namespace ? { path: 'vscode', external: true } : { path: 'vscode', namespace },
    );
    context.onLoad({ filter: /./, namespace }, () => ({
      contents: "module.exports = Object.create(require('vscode'), { __esModule: { value: true } })",
      loader: 'js',
    }));
  },
};

/** The library for the connection is most of the extension; what activates it is to be read without. */
const connectionApart = {
  name: 'connection-apart',
  setup(context) {
    context.onResolve({ filter: /\/engine-connection\.ts$/ }, ({ kind }) =>
      kind === 'dynamic-import' ? { path: './engine-connection.js', external: true } : undefined,
    );
  },
};

const common = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node20',
  minify: true,
  keepNames: true,
  sourcemap: true,
  sourcesContent: false,
  legalComments: 'none',
  metafile: true,
  logLevel: 'warning',
};

await rm(dist, { recursive: true, force: true });
await mkdir(path.join(dist, 'native'), { recursive: true });
const results = await Promise.all([
  build({
    ...common,
    entryPoints: ['extension/main.ts'],
    outfile: 'dist/extension.js',
    // VS Code gives its interface to `require` alone.
    supported: { 'dynamic-import': false },
    plugins: [connectionApart, interfaceOnce],
  }),
  build({
    ...common,
    entryPoints: ['extension/engine/engine-connection.ts'],
    outfile: 'dist/engine-connection.js',
    plugins: [interfaceOnce],
  }),
  build({
    ...common,
    entryPoints: ['engine/start.ts'],
    outfile: 'dist/engine.js',
    banner: { js: '#!/usr/bin/env node' },
  }),
  build({
    ...common,
    entryPoints: ['engine/main.ts'],
    outfile: 'dist/engine-program.js',
    // Its other build requires its parts by names that no bundler can follow.
    alias: { 'jsonc-parser': 'jsonc-parser/lib/esm/main.js' },
    plugins: [nativeBinary, callsIntoLibc, oneLanguage],
  }),
]);
await build({
  ...common,
  entryPoints: { details: 'extension/details/page/main.ts', 'details-page': 'extension/details/page/details.css' },
  outdir: 'dist',
  platform: 'browser',
  format: 'iife',
  target: 'chrome120',
});
await chmod(path.join(dist, 'engine.js'), 0o755);
await writeFile(path.join(dist, 'THIRD-PARTY-NOTICES.txt'), await notices(results));
await cp(
  path.join(nativePackage, 'prebuilds', platform, 'fs-native-extensions.node'),
  path.join(dist, 'native', `${platform}.node`),
);

/** Alpine's C library is another one than that of other Linux systems. */
function targetHere() {
  const isAlpine = process.platform === 'linux' && process.report.getReport().header.glibcVersionRuntime === undefined;
  return `${isAlpine ? 'alpine' : process.platform}-${process.arch}`;
}

/** The licences of everything that was bundled, as they ask for. */
async function notices(built) {
  const inputs = built.flatMap(({ metafile }) => Object.keys(metafile.inputs));
  const packages = new Set(
    inputs.flatMap((input) => /(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(input)?.[1] ?? []),
  );
  const texts = await Promise.all([...packages].sort().map(notice));
  return `VM Checkpoints contains these packages.\n\n${texts.join('\n')}`;
}

async function notice(name) {
  const folder = path.join(root, 'node_modules', name);
  const { version, license } = JSON.parse(await readFile(path.join(folder, 'package.json'), 'utf8'));
  const file = (await readdir(folder)).find((entry) => /^licen[cs]e/i.test(entry));
  const text = file === undefined ? '' : await readFile(path.join(folder, file), 'utf8');
  return `${'='.repeat(80)}\n${name} ${version} (${license})\n\n${text.trim()}\n`;
}
