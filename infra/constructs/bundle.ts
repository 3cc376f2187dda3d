import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { AssetHashType, type BundlingOptions, DockerImage } from 'aws-cdk-lib';
import { buildSync, type Metafile } from 'esbuild';

export interface BundleOptions {
  /** Directory that paths in source maps are relative to; also where `node_modules` is found. */
  readonly sourceRoot: string;
  /** Modules to bundle, absolute paths, by the name of their bundle, which becomes `<name>.mjs`. */
  readonly entries: Readonly<Record<string, string>>;
  /** What the entries belong to, for the error message when one is missing: `function lean-router`. */
  readonly owner: string;
  /** Directory of the bundles inside the asset. */
  readonly directory: string;
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

export interface Bundle {
  /** Everything the asset consists of, by path inside it. */
  readonly files: readonly { readonly path: string; readonly contents: Uint8Array | string }[];
  /** Which source went into which file; its output paths are those of `files` with `dist` for the asset. */
  readonly metafile: Metafile;
}

/** CommonJS packages inside an ES module still call `require` for Node's built-in modules. */
const requireBanner =
  "import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);";

/** `pg` asks for these inside a try, for a native client and for another vendor's sockets. */
const neverInstalled = ['pg-native', 'cloudflare:sockets'];

/**
 * Bundles in memory. What a module imports dynamically becomes a file of its own, read when it is first needed, so that
 * loading costs what an invocation uses; what several entries share is read once.
 */
export const bundle = (options: BundleOptions): Bundle => {
  // Written by us, not by esbuild: a path relative to the output directory inside a source map would make the asset
  // hash, and with it the code hash of every decision, depend on where the assembly is written.
  const logicalRoot = join(options.sourceRoot, 'dist');
  const { outputFiles, metafile } = buildSync({
    absWorkingDir: options.sourceRoot,
    entryPoints: { ...options.entries },
    outdir: join(logicalRoot, options.directory),
    outExtension: { '.js': '.mjs' },
    chunkNames: 'chunk-[hash]',
    write: false,
    metafile: true,
    bundle: true,
    splitting: true,
    platform: 'node',
    // The AWS SDK has both; only of modules can the bundler leave out what nobody uses.
    mainFields: ['module', 'main'],
    target: 'node24',
    format: 'esm',
    sourcemap: 'linked',
    sourcesContent: false,
    minify: true,
    legalComments: 'none',
    logLevel: 'silent',
    banner: { js: requireBanner },
    external: [...options.external, ...neverInstalled],
  });
  const bundled = outputFiles.map(({ path, contents }) => ({ path: path.slice(logicalRoot.length + 1), contents }));
  const extra = Object.entries(options.files ?? {}).map(([path, contents]) => ({ path, contents }));
  return { files: [...bundled, ...extra], metafile };
};

/** Writes a bundle below a directory. */
export const writeBundle = ({ files }: Bundle, directory: string): void => {
  for (const { path, contents } of files) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), contents);
  }
};

/**
 * Asset options that bundle with esbuild on this machine, without Docker. The asset hash is the SHA-256 of the output.
 * @throws Error naming an entry that does not exist
 */
export const bundledAsset = (options: BundleOptions): BundledAsset => {
  for (const entry of Object.values(options.entries)) {
    if (!existsSync(entry)) {
      throw new Error(
        `${options.owner}: expected its entry at ${entry}, found no file; create it or take the name out of the contract`,
      );
    }
  }
  return {
    assetHashType: AssetHashType.OUTPUT,
    bundling: {
      // Never pulled: the local bundler below always does the work.
      image: DockerImage.fromRegistry('none'),
      // Part of the key under which the CDK remembers bundles; functions are not.
      command: [options.directory, ...Object.entries(options.entries).flat(), ...options.external],
      local: {
        tryBundle(directory) {
          writeBundle(bundle(options), directory);
          return true;
        },
      },
    },
  };
};
