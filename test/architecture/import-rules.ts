import { readFileSync } from 'node:fs';
import { posix } from 'node:path';

import ts from 'typescript';

/** A module import as written, and the repository path it leads to when it is relative. */
export interface ModuleImport {
  readonly specifier: string;
  readonly typeOnly: boolean;
  /** Names imported one by one; null for the whole module. */
  readonly names: readonly string[] | null;
}

const parse = (file: string, source: string): ts.SourceFile =>
  ts.createSourceFile(file, source, ts.ScriptTarget.Latest, true);

const walk = (node: ts.Node, visit: (node: ts.Node) => void): void => {
  visit(node);
  node.forEachChild((child) => {
    walk(child, visit);
  });
};

const namesOf = (node: ts.ImportDeclaration | ts.ExportDeclaration): readonly string[] | null => {
  const bindings = ts.isImportDeclaration(node) ? node.importClause?.namedBindings : node.exportClause;
  if (bindings === undefined || !(ts.isNamedImports(bindings) || ts.isNamedExports(bindings))) return null;
  return bindings.elements.map((element) => (element.propertyName ?? element.name).text);
};

/** Static, re-exported, dynamic, required and type-position imports of a source text. */
export const importsOf = (file: string, source: string): readonly ModuleImport[] => {
  const found: ModuleImport[] = [];
  const add = (specifier: ts.Expression | undefined, typeOnly: boolean, names: readonly string[] | null): void => {
    if (specifier === undefined) return;
    const text = ts.isStringLiteralLike(specifier) ? specifier.text : `a computed name (${specifier.getText()})`;
    found.push({ specifier: text, typeOnly, names });
  };
  walk(parse(file, source), (node) => {
    if (ts.isImportDeclaration(node)) {
      add(node.moduleSpecifier, node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword, namesOf(node));
    } else if (ts.isExportDeclaration(node)) {
      add(node.moduleSpecifier, node.isTypeOnly, namesOf(node));
    } else if (ts.isCallExpression(node)) {
      const imports = node.expression.kind === ts.SyntaxKind.ImportKeyword;
      const requires = ts.isIdentifier(node.expression) && node.expression.text === 'require';
      if (imports || requires) add(node.arguments[0], false, null);
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      add(node.argument.literal, true, null);
    }
  });
  return found;
};

interface Target extends ModuleImport {
  /** The path inside the repository, for a relative import. */
  readonly path: string | null;
}

type Allowed = (target: Target) => boolean;

const bare =
  (...packages: readonly string[]): Allowed =>
  ({ specifier }) =>
    packages.some((name) => specifier === name || specifier.startsWith(`${name}/`));
const exactly =
  (...specifiers: readonly string[]): Allowed =>
  ({ specifier }) =>
    specifiers.includes(specifier);
const under =
  (...places: readonly string[]): Allowed =>
  ({ path }) =>
    path !== null && places.some((place) => path === place || path.startsWith(`${place}/`));
const nodeModule: Allowed = ({ specifier }) => specifier.startsWith('node:');
const eventTypes: Allowed = ({ specifier, typeOnly }) => specifier === 'aws-lambda' && typeOnly;
/** What of cryptography depends on its arguments alone: hashes, and checking a signature by its public key. */
const pureOfCrypto = new Set(['createHash', 'hash', 'createPublicKey', 'verify', 'KeyObject']);
const pureCrypto: Allowed = ({ specifier, names }) =>
  specifier === 'node:crypto' && names !== null && names.every((name) => pureOfCrypto.has(name));
const not =
  (refused: Allowed): Allowed =>
  (target) =>
    !refused(target);

const dependenciesOf = (workspace: string): readonly string[] =>
  Object.keys(
    (JSON.parse(readFileSync(`${workspace}/package.json`, 'utf8')) as { dependencies: Record<string, string> })
      .dependencies,
  );

interface Rule {
  /** Files it governs; the first match of the table decides. The first group is the folder of a function. */
  readonly files: RegExp;
  readonly expected: string;
  /** An import is fine when one of these says so. */
  readonly allowed: (folder: string) => readonly Allowed[];
}

/** Parts of the domain that trading does not load. */
const researchParts = ['@torghut/domain/evidence', '@torghut/domain/research'];

const stacks = ['infra/stacks', 'infra/torghut-stage.ts', 'infra/app.ts'];

/** The import table of the architecture. */
const rules: readonly Rule[] = [
  {
    files: /^layers\/domain\//,
    expected: `itself, zod, big.js and ${[...pureOfCrypto].join(', ')} of node:crypto`,
    allowed: () => [under('layers/domain'), exactly('zod', 'big.js'), pureCrypto],
  },
  {
    files: /^layers\/platform\//,
    expected: 'itself, @torghut/domain, Node and the dependencies in its package.json',
    allowed: () => [
      under('layers/platform'),
      exactly('@torghut/domain', ...researchParts),
      bare(...dependenciesOf('layers/platform')),
      nodeModule,
      eventTypes,
    ],
  },
  {
    files: /^functions\/([^/]+)\//,
    expected: 'its own folder, @torghut/domain, @torghut/platform, its ClickHouse client and zod',
    allowed: (folder) => [
      under(`functions/${folder}`),
      exactly('@torghut/domain', ...researchParts, '@torghut/platform', '@torghut/platform/clickhouse', 'zod'),
      eventTypes,
    ],
  },
  {
    files: /^infra\/(?:local|cli)\//,
    expected: 'anything but stacks',
    allowed: () => [not(under(...stacks))],
  },
  {
    files: /^infra\/config\.ts$/,
    expected: 'zod and aws-cdk-lib',
    allowed: () => [exactly('zod'), bare('aws-cdk-lib')],
  },
  {
    files: /^infra\//,
    expected:
      'aws-cdk-lib, constructs, esbuild, Node, the rest of the deployment and the tables @torghut/domain/contract, limits and metrics',
    allowed: () => [
      bare('aws-cdk-lib', 'constructs', 'cdk-nag'),
      exactly('esbuild', '@torghut/domain/contract', '@torghut/domain/limits', '@torghut/domain/metrics'),
      nodeModule,
      under('infra/constructs', 'infra/config.ts', ...stacks),
    ],
  },
];

/** One line for each import of the file that the table does not allow. `file` is a path inside the repository. */
export const forbiddenImports = (file: string, source: string): readonly string[] => {
  const rule = rules.find(({ files }) => files.test(file));
  if (rule === undefined) return [];
  const allowed = rule.allowed(rule.files.exec(file)?.[1] ?? '');
  return importsOf(file, source)
    .map((found) => ({
      ...found,
      path: found.specifier.startsWith('.') ? posix.join(posix.dirname(file), found.specifier) : null,
    }))
    .filter((target) => !allowed.some((allows) => allows(target)))
    .map(({ specifier, names }) => {
      const what = names === null ? specifier : `${names.join(', ')} of ${specifier}`;
      return `${file}: may import ${rule.expected}; imports ${what}`;
    });
};

/** What the domain may not touch, as object and member. A member of null refuses the whole object. */
const impure: readonly (readonly [string, string | null])[] = [
  ['process', null],
  ['Date', 'now'],
  ['Math', 'random'],
  ['performance', null],
  ['crypto', null],
  ['fetch', null],
  ['setTimeout', null],
  ['setInterval', null],
  ['setImmediate', null],
];

const isGlobalReference = (node: ts.Identifier): boolean => {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent)) return parent.expression === node;
  return ts.isCallExpression(parent) || ts.isElementAccessExpression(parent);
};

/** One line for each place where a source text reads a clock, randomness or its process. */
export const impurities = (file: string, source: string): readonly string[] => {
  const tree = parse(file, source);
  const found: string[] = [];
  walk(tree, (node) => {
    const line = tree.getLineAndCharacterOfPosition(node.getStart()).line + 1;
    const report = (what: string): void => void found.push(`${file}:${line}: the domain is pure; found ${what}`);
    if (ts.isIdentifier(node) && isGlobalReference(node)) {
      const member = ts.isPropertyAccessExpression(node.parent) ? node.parent.name.text : null;
      if (impure.some(([object, refused]) => object === node.text && (refused === null || refused === member))) {
        report(node.parent.getText());
      }
    }
    const dateWithoutTime =
      (ts.isNewExpression(node) || ts.isCallExpression(node)) &&
      node.expression.getText() === 'Date' &&
      (node.arguments?.length ?? 0) === 0;
    if (dateWithoutTime) report(node.getText());
  });
  return found;
};
