// The house: arrows point one way (CONTRIBUTING.md, "The house").
const inner = (folder) => `^engine/${folder}/`;

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'packages-are-declared',
      comment: 'An undeclared package is there by chance, and missing on the next machine.',
      severity: 'error',
      from: {},
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown', 'unknown', 'undetermined'], pathNot: '^vscode$' },
    },
    { name: 'imports-are-found', severity: 'error', from: {}, to: { couldNotResolve: true, pathNot: '^vscode$' } },
    {
      name: 'extension-knows-only-the-protocol',
      severity: 'error',
      from: { path: '^extension/' },
      to: { path: '^engine/', pathNot: inner('protocol') },
    },
    {
      name: 'engine-knows-no-extension',
      severity: 'error',
      from: { path: '^engine/' },
      to: { path: '^(extension|test)/' },
    },
    {
      name: 'protocol-stands-alone',
      severity: 'error',
      from: { path: inner('protocol') },
      to: { pathNot: inner('protocol') },
    },
    {
      name: 'model-has-no-io',
      severity: 'error',
      from: { path: inner('model') },
      to: { pathNot: inner('(model|protocol)') },
    },
    {
      name: 'disks-know-only-the-model',
      severity: 'error',
      from: { path: inner('disks') },
      to: { path: '^engine/', pathNot: inner('(disks|model|protocol)') },
    },
    {
      name: 'store-knows-disks-and-the-model',
      severity: 'error',
      from: { path: inner('store') },
      to: { path: '^engine/', pathNot: inner('(store|disks|model|protocol)') },
    },
    {
      name: 'hosts-know-the-store',
      severity: 'error',
      from: { path: inner('hosts') },
      to: { path: '^engine/', pathNot: inner('(hosts|store|disks|model|protocol)') },
    },
    {
      name: 'checkpoints-know-no-face',
      severity: 'error',
      from: { path: inner('checkpoints') },
      to: { path: '^engine/', pathNot: inner('(checkpoints|hosts|store|disks|model|protocol)') },
    },
    {
      name: 'products-know-no-test',
      severity: 'error',
      from: { path: '^(engine|extension)/' },
      to: { path: '^test/' },
    },
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    // The build script has the name of the package that it uses, and is taken for it.
    exclude: { path: '^esbuild\\.mjs$' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['node', 'import', 'require'],
      extensions: ['.ts', '.mjs', '.js', '.json'],
    },
  },
};
