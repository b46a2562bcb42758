/**
 * The layering check: reads every real import of the workspace and fails on one that the layers do not allow.
 *
 *     node scripts/check-layers.ts [--root DIR]
 */
import { readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { join, posix } from 'node:path';
import {
  adapterEntryPoints,
  adapterUsers,
  allowedImports,
  layerOrder,
  outsideFolders,
} from './layer-rules.ts';
import {
  type ImportEdge,
  importsOf,
  listSources,
  parseSource,
  report,
  rootFromArguments,
  type Violation,
} from './source-files.ts';

type Manifest = {
  readonly exports?: Readonly<Record<string, unknown>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
};

/** Where a file stands: its package (or folder beside the packages) and whether it is shipped, a suite or a test. */
type Place = {
  readonly path: string;
  readonly owner: string;
  readonly home: string;
  readonly kind: 'source' | 'suite' | 'test' | 'outside';
};

const scope = '@holdfast/';
const builtins = new Set(builtinModules);

const root = rootFromArguments();
const manifests = new Map<string, Manifest>();
const violations: Violation[] = [];
let filesRead = 0;

for (const path of listSources(root)) {
  const place = placeOf(path);
  if (place === undefined) continue;
  filesRead++;
  for (const edge of importsOf(parseSource(root, path))) checkEdge(place, edge);
}
report('layers', filesRead, violations);

function placeOf(path: string): Place | undefined {
  const [top, name, folder, inner] = path.split('/');
  if (top !== undefined && top in outsideFolders) {
    return { path, owner: top, home: top, kind: 'outside' };
  }
  if (top !== 'packages' || name === undefined) return undefined;
  const isSuite = folder === 'src' && inner === 'testing';
  const kind = folder === 'test' ? 'test' : isSuite ? 'suite' : 'source';
  return { path, owner: name, home: `packages/${name}`, kind };
}

function checkEdge(place: Place, edge: ImportEdge): void {
  const { specifier } = edge;
  if (specifier.startsWith('.')) checkRelative(place, edge);
  else if (specifier.startsWith(scope)) checkWorkspace(place, edge);
  else if (!specifier.startsWith('node:') && !builtins.has(specifier)) checkExternal(place, edge);
}

function checkRelative(place: Place, edge: ImportEdge): void {
  const target = posix.join(posix.dirname(place.path), edge.specifier);
  if (!target.startsWith(`${place.home}/`)) {
    refuse(place, edge, 'relative-import', 'a relative import must stay in its package');
  } else if (
    place.kind === 'source' &&
    /^\/(test|src\/testing)\//.test(target.slice(place.home.length))
  ) {
    refuse(place, edge, 'ships-tests', 'shipped code must not import tests or suites');
  }
}

function checkWorkspace(place: Place, edge: ImportEdge): void {
  const [target = '', ...rest] = edge.specifier.slice(scope.length).split('/');
  if (!(target in allowedImports)) {
    refuse(place, edge, 'unknown-package', `there is no layer ${target}`);
    return;
  }
  const entryPoint = ['.', ...rest].join('/');
  if (!(entryPoint in (manifestOf(`packages/${target}`).exports ?? {}))) {
    refuse(place, edge, 'deep-import', `${scope}${target} has no entry point ${entryPoint}`);
  }
  if (!mayImport(place, target, rest[0] === 'testing')) {
    refuse(place, edge, 'layer', `${place.owner} may not import ${target}`);
  }
  if (place.kind === 'source' && rest[0] === 'testing') {
    refuse(place, edge, 'ships-tests', 'shipped code must not import tests or suites');
  }
  const choosesAdapter = adapterEntryPoints.includes(edge.specifier);
  if (place.kind === 'source' && choosesAdapter && !adapterUsers.includes(place.owner)) {
    refuse(place, edge, 'adapter', 'only the composition root chooses the real or the memory twin');
  }
  checkDeclared(place, edge, `${scope}${target}`);
}

function mayImport(place: Place, target: string, isSuite: boolean): boolean {
  if (place.kind === 'outside') return outsideFolders[place.owner]?.includes(target) ?? false;
  if (allowedImports[place.owner]?.includes(target)) return true;
  if (place.kind === 'source') return false;
  return isSuite || rankOf(target) <= rankOf(place.owner);
}

function rankOf(layer: string): number {
  return (layerOrder as readonly string[]).indexOf(layer);
}

function checkExternal(place: Place, edge: ImportEdge): void {
  const parts = edge.specifier.split('/');
  const name = parts.slice(0, edge.specifier.startsWith('@') ? 2 : 1).join('/');
  checkDeclared(place, edge, name);
}

/** Why: Node finds an undeclared package in the root's node_modules, a published package does not. */
function checkDeclared(place: Place, edge: ImportEdge, name: string): void {
  const home = place.owner === 'scripts' ? '' : place.home;
  const { dependencies, peerDependencies, devDependencies } = manifestOf(home);
  const isShipped = place.kind === 'source' || place.kind === 'suite';
  const declared = { ...dependencies, ...peerDependencies, ...(isShipped ? {} : devDependencies) };
  const isItself = name === `${scope}${place.owner}`;
  if (isItself || name in declared || `@types/${name}` in declared) return;
  const field = isShipped ? 'dependencies or peerDependencies' : 'package.json';
  refuse(place, edge, 'undeclared', `${name} is not in the ${field} of ${home || 'the root'}`);
}

function manifestOf(home: string): Manifest {
  const known = manifests.get(home);
  if (known !== undefined) return known;
  const read = JSON.parse(readFileSync(join(root, home, 'package.json'), 'utf8')) as Manifest;
  manifests.set(home, read);
  return read;
}

function refuse(place: Place, edge: ImportEdge, rule: string, message: string): void {
  const text = `'${edge.specifier}': ${message}`;
  violations.push({ path: place.path, line: edge.line, rule, message: text });
}
