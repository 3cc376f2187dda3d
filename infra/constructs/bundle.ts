import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { AssetHashType, type BundlingOptions, DockerImage } from 'aws-cdk-lib';
import { buildSync, type Metafile } from 'esbuild';

export interface BundleOptions {
  /** Directory that paths in source maps are relative to; also where `node_modules` is found. */
  readonly sourceRoot: string;
  /** Modules to bundle, absolute paths, by the name of their bundle, which becomes `<name>.mjs`. */
  readonly entries: Readonly<Record<string, string>>;
  /** Directory of the bundles inside the asset. */
  readonly directory: string;
  /** Packages left to the runtime. */
  readonly external: readonly string[];
  /** What is taken instead of a package, or of a module of it: a module of another package, or an absolute path. */
  readonly aliases?: Readonly<Record<string, string>>;
  /** Packages whose code goes into files of its own as far as the bundler can part it. */
  readonly packages: readonly string[];
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
 * Lambda gives a function its credentials in the environment. Where the AWS SDK would look next is left out: it would
 * divide the SDK into a dozen more files, each of which takes time to find.
 */
const unusedCredentialSources = [
  '@aws-sdk/credential-provider-cognito-identity',
  '@aws-sdk/credential-provider-http',
  '@aws-sdk/credential-provider-ini',
  '@aws-sdk/credential-provider-login',
  '@aws-sdk/credential-provider-process',
  '@aws-sdk/credential-provider-sso',
  '@aws-sdk/credential-provider-web-identity',
  '@smithy/credential-provider-imds',
];

const holdsOurs = ({ inputs }: Metafile['outputs'][string]): boolean =>
  Object.entries(inputs).some(([path, { bytesInOutput }]) => bytesInOutput > 0 && !path.includes('node_modules/'));

const withoutMap = (code: Uint8Array): Uint8Array =>
  Buffer.from(
    Buffer.from(code)
      .toString('utf8')
      .replace(/\/\/# sourceMappingURL=.*\n?$/, ''),
  );

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
    // The bundler divides code by who reaches it: what this entry reaches too goes into files without code of ours.
    stdin: {
      contents: options.packages.map((name) => `import ${JSON.stringify(name)};`).join('\n'),
      resolveDir: options.sourceRoot,
    },
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
    external: [...options.external, ...neverInstalled, ...unusedCredentialSources],
    alias: { ...options.aliases },
  });
  const contentsOf = (path: string): Uint8Array => {
    const found = outputFiles.find((file) => file.path === join(options.sourceRoot, path));
    if (found === undefined) throw new Error(`expected ${path} among the bundler's files, found none`);
    return found.contents;
  };
  const code = Object.entries(metafile.outputs).filter(
    ([path, { entryPoint }]) => !path.endsWith('.map') && entryPoint !== '<stdin>',
  );
  const files: Bundle['files'] = [
    ...code.flatMap(([path, output]) => {
      const target = path.slice('dist/'.length);
      // Node reads a map, and every character of the code it belongs to, before it runs the code: only ours is worth that.
      return holdsOurs(output)
        ? [
            { path: target, contents: contentsOf(path) },
            { path: `${target}.map`, contents: contentsOf(`${path}.map`) },
          ]
        : [{ path: target, contents: withoutMap(contentsOf(path)) }];
    }),
    ...Object.entries(options.files ?? {}).map(([path, contents]) => ({ path, contents })),
  ];
  return { files, metafile: { ...metafile, outputs: Object.fromEntries(code) } };
};

/** Writes a bundle below a directory. */
export const writeBundle = ({ files }: Bundle, directory: string): void => {
  for (const { path, contents } of files) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), contents);
  }
};

/** @throws Error naming the first of these files that does not exist, and what it belongs to */
export const requireEntries = (owner: string, entries: readonly string[]): void => {
  for (const entry of entries) {
    if (!existsSync(entry)) {
      throw new Error(
        `${owner}: expected its entry at ${entry}, found no file; create it or take the name out of the contract`,
      );
    }
  }
};

/**
 * Asset options that bundle on this machine, without Docker. The asset hash is the SHA-256 of the output. `key` tells apart
 * what is bundled differently from one source directory.
 */
export const bundledAsset = (key: readonly string[], bundled: () => Bundle): BundledAsset => ({
  assetHashType: AssetHashType.OUTPUT,
  bundling: {
    // Never pulled: the local bundler below always does the work.
    image: DockerImage.fromRegistry('none'),
    // Part of the key under which the CDK remembers bundles; functions are not.
    command: [...key],
    local: {
      tryBundle(directory) {
        writeBundle(bundled(), directory);
        return true;
      },
    },
  },
});
