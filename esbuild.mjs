// Bundles the extension and the engine into dist/, each one file.
import { chmod, cp, mkdir, readdir, rm } from 'node:fs/promises';
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
  legalComments: 'linked',
  logLevel: 'warning',
};

await rm(dist, { recursive: true, force: true });
await mkdir(path.join(dist, 'native'), { recursive: true });
await Promise.all([
  build({ ...common, entryPoints: ['extension/main.ts'], outfile: 'dist/extension.js', external: ['vscode'] }),
  build({
    ...common,
    entryPoints: ['engine/main.ts'],
    outfile: 'dist/engine.js',
    banner: { js: '#!/usr/bin/env node' },
    plugins: [nativeBinary],
  }),
]);
await chmod(path.join(dist, 'engine.js'), 0o755);
for (const platform of await readdir(path.join(nativePackage, 'prebuilds'))) {
  if (nativePlatforms.test(platform)) {
    await cp(
      path.join(nativePackage, 'prebuilds', platform, 'fs-native-extensions.node'),
      path.join(dist, 'native', `${platform}.node`),
    );
  }
}
