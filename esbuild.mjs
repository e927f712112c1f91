// Bundles the extension and the engine into dist/, each one file.
import { existsSync } from 'node:fs';
import { chmod, cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { build } from 'esbuild';

const root = import.meta.dirname;
const dist = path.join(root, 'dist');
const nativePackage = path.join(root, 'node_modules/fs-native-extensions');
/** Platforms that VS Code runs on. */
const nativePlatforms = /^(?:linux|darwin|win32)-(?:x64|arm64)$/;

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

/** Likewise; one package a platform, and only the building platform's is installed. The others' engines do without. */
const callsIntoLibc = {
  name: 'calls-into-libc',
  setup(context) {
    context.onResolve({ filter: /^@koromix\/koffi-/ }, ({ path: name }) => {
      const isInstalled = existsSync(path.join(root, 'node_modules', name));
      return isInstalled ? { path: name, namespace: 'calls-into-libc' } : { path: name, external: true };
    });
    context.onLoad({ filter: /./, namespace: 'calls-into-libc' }, async ({ path: name }) => {
      const folder = path.basename(name);
      await cp(path.join(root, 'node_modules', name), path.join(dist, 'native', folder), { recursive: true });
      return { contents: `module.exports = require(\`\${__dirname}/native/${folder}/index.js\`)`, loader: 'js' };
    });
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
  build({ ...common, entryPoints: ['extension/main.ts'], outfile: 'dist/extension.js', external: ['vscode'] }),
  build({
    ...common,
    entryPoints: ['engine/main.ts'],
    outfile: 'dist/engine.js',
    banner: { js: '#!/usr/bin/env node' },
    plugins: [nativeBinary, callsIntoLibc],
  }),
]);
await chmod(path.join(dist, 'engine.js'), 0o755);
await writeFile(path.join(dist, 'THIRD-PARTY-NOTICES.txt'), await notices(results));
for (const platform of await readdir(path.join(nativePackage, 'prebuilds'))) {
  if (nativePlatforms.test(platform)) {
    await cp(
      path.join(nativePackage, 'prebuilds', platform, 'fs-native-extensions.node'),
      path.join(dist, 'native', `${platform}.node`),
    );
  }
}

/** The licences of everything that was bundled, as they ask for. */
async function notices(built) {
  const inputs = built.flatMap(({ metafile }) => Object.keys(metafile.inputs));
  const packages = new Set(inputs.flatMap((input) => /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(input)?.[1] ?? []));
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
