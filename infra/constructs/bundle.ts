import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

import { AssetHashType, type BundlingOptions, DockerImage } from 'aws-cdk-lib';
import { buildSync } from 'esbuild';

export interface BundleOptions {
  /** Directory that paths in source maps are relative to; also where `node_modules` is found. */
  readonly sourceRoot: string;
  /** Module to bundle, an absolute path. */
  readonly entry: string;
  /** What the entry belongs to, for the error message when it is missing: `function lean-router`. */
  readonly owner: string;
  /** Path of the bundle inside the asset. */
  readonly outfile: string;
  /** Packages left to the runtime. */
  readonly external: readonly string[];
  /** Further files of the asset, content by path. */
  readonly files?: Readonly<Record<string, string>>;
}

/** Goes into `Code.fromAsset` and `AssetStaging` alike. */
export interface BundledAsset {
  readonly assetHashType: AssetHashType;
  readonly bundling: BundlingOptions;
}

/** CommonJS packages inside an ES module still call `require` for Node's built-in modules. */
const requireBanner =
  "import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);";

/** `pg` asks for these inside a try, for a native client and for another vendor's sockets. */
const neverInstalled = ['pg-native', 'cloudflare:sockets'];

const bundle = (options: BundleOptions): readonly { readonly path: string; readonly contents: Uint8Array }[] => {
  // Written by us, not by esbuild: a path relative to the output directory inside a source map would make the asset
  // hash, and with it the code hash of every decision, depend on where the assembly is written.
  const logicalDirectory = join(options.sourceRoot, 'dist');
  const { outputFiles } = buildSync({
    absWorkingDir: options.sourceRoot,
    entryPoints: [options.entry],
    outfile: join(logicalDirectory, basename(options.outfile)),
    write: false,
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    sourcemap: 'linked',
    sourcesContent: false,
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: 'none',
    logLevel: 'silent',
    banner: { js: requireBanner },
    external: [...options.external, ...neverInstalled],
  });
  return outputFiles.map((file) => ({
    path: join(dirname(options.outfile), basename(file.path)),
    contents: file.contents,
  }));
};

/**
 * Asset options that bundle one entry with esbuild on this machine, without Docker. The asset hash is the SHA-256 of the
 * output.
 * @throws Error naming the entry when it does not exist
 */
export const bundledAsset = (options: BundleOptions): BundledAsset => {
  if (!existsSync(options.entry)) {
    throw new Error(
      `${options.owner}: expected its entry at ${options.entry}, found no file; create it or take the name out of the contract`,
    );
  }
  return {
    assetHashType: AssetHashType.OUTPUT,
    bundling: {
      // Never pulled: the local bundler below always does the work.
      image: DockerImage.fromRegistry('none'),
      // Part of the key under which the CDK remembers bundles; functions are not.
      command: [options.outfile, ...options.external],
      local: {
        tryBundle(directory) {
          const extra = Object.entries(options.files ?? {}).map(([path, contents]) => ({ path, contents }));
          for (const { path, contents } of [...bundle(options), ...extra]) {
            mkdirSync(dirname(join(directory, path)), { recursive: true });
            writeFileSync(join(directory, path), contents);
          }
          return true;
        },
      },
    },
  };
};
