/** The rows of docs/s3-compatibility.md, but for the tests that show them. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type ModelOperation, readModel, type SurfaceKind } from './s3-model.ts';

export type Section = 'operation' | SurfaceKind;

export interface Row {
  readonly section: Section;
  readonly name: string;
  /** Cells before that of the operations or of the request. */
  readonly state: string;
  readonly difference: string;
  /** Of an operation: how it is asked for. */
  readonly request: string;
  /** Where AWS has the name, of what is there; empty where `where` says it in words. */
  readonly operations: readonly string[];
  readonly where: string;
  /** Whether it is there, so that a test must show it. */
  readonly needsTest: boolean;
}

/** What is used of `operation-table.ts`. */
interface TableEntry {
  readonly name: string;
  readonly run?: unknown;
  readonly copy?: Pick<TableEntry, 'name' | 'run'>;
}

/** What is used of `surface-notes.ts`. */
interface Note {
  readonly state?: string;
  readonly difference?: string;
  readonly operations?: string;
}
type Notes = Readonly<Record<string, Note>>;

interface Operation {
  readonly name: string;
  readonly request: string;
  readonly exists: boolean;
}

/** Where the SDK has another name for it. */
const OWN_NAMES: ReadonlyMap<string, string> = new Map([
  ['DeleteBucketLifecycle', 'DeleteBucketLifecycleConfiguration'],
]);
/** Of an operation that the table does not have: another one answers it, by a parameter, a host or a method. */
const UNTABLED: readonly Operation[] = [
  { name: 'ListObjectsV2', request: 'GET bucket?list-type=2', exists: true },
  { name: 'WebsiteGet', request: 'GET website', exists: true },
];

/** What shows a row, as tests record it. */
export function factsOf({ section, name, operations }: Row): readonly string[] | RegExp {
  if (section === 'operation') return [name];
  if (operations.length > 0)
    return operations.map((operation) => `${operation} ${section} ${name}`);
  return new RegExp(`^\\S+ ${section} ${name.replaceAll('*', '\\*')}$`);
}

/** @throws where the table and the SDK's model do not fit together */
export async function readRows(root: string): Promise<readonly Row[]> {
  const folder = join(root, 'packages/s3');
  // Why so: it is what the package keeps to itself, and no import of the workspace leads there.
  const load = (file: string): Promise<unknown> =>
    import(pathToFileURL(join(folder, 'src', file)).href);
  const { OPERATIONS } = (await load('operation-table.ts')) as {
    OPERATIONS: Readonly<Record<string, ReadonlyMap<string, TableEntry>>>;
  };
  const notes = (await load('surface-notes.ts')) as Readonly<Record<string, Notes>>;
  const model = (await readModel(folder)).map((each) => ({
    ...each,
    name: OWN_NAMES.get(each.name) ?? each.name,
  }));
  const operations = allOperations(OPERATIONS, model);
  const existing = new Set(operations.filter(({ exists }) => exists).map(({ name }) => name));
  const known = model.filter(({ name }) => existing.has(name));
  return [
    ...operations.map((each) => operationRow(each, notes['OPERATION_NOTES'] ?? {})),
    ...nameRows('header', known, notes['HEADER_NOTES'] ?? {}),
    ...nameRows('parameter', known, notes['PARAMETER_NOTES'] ?? {}),
    ...nameRows('answer', known, notes['ANSWER_NOTES'] ?? {}),
  ];
}

/** The table's and, not to be had here, the rest of the SDK's; by name. */
function allOperations(
  table: Readonly<Record<string, ReadonlyMap<string, TableEntry>>>,
  model: readonly ModelOperation[],
): readonly Operation[] {
  const found = new Map<string, Operation>();
  const add = (entry: Pick<TableEntry, 'name' | 'run'>, request: string): void => {
    if (found.has(entry.name)) return;
    found.set(entry.name, { name: entry.name, request, exists: entry.run !== undefined });
  };
  for (const [level, methods] of Object.entries(table)) {
    for (const [key, entry] of methods) {
      const [method = '', subresource = ''] = key.split(' ');
      const request = `${method} ${level}${subresource === '' ? '' : `?${subresource}`}`;
      add(entry, request);
      if (entry.copy) add(entry.copy, `${request}, x-amz-copy-source`);
    }
  }
  for (const each of UNTABLED) found.set(each.name, each);
  for (const { name, request } of model) {
    if (!found.has(name)) found.set(name, { name, request, exists: false });
  }
  return [...found.values()].sort(byName);
}

function operationRow({ name, request, exists }: Operation, notes: Notes): Row {
  const { state, difference = '' } = notes[name] ?? {};
  return {
    section: 'operation',
    name,
    request,
    state: exists ? (state ?? 'yes') : 'no',
    difference,
    operations: [],
    where: '',
    needsTest: exists,
  };
}

function nameRows(
  kind: SurfaceKind,
  known: readonly ModelOperation[],
  notes: Notes,
): readonly Row[] {
  const names = new Set([...known.flatMap((each) => each.names[kind]), ...Object.keys(notes)]);
  return [...names].sort().map((name) => {
    const { state = 'yes', difference = '', operations: where = '' } = notes[name] ?? {};
    const operations = known.filter((each) => each.names[kind].includes(name));
    const needsTest = state === 'yes' || state === 'part';
    return {
      section: kind,
      name,
      request: '',
      state,
      difference,
      operations: operations.map((each) => each.name).sort(),
      where,
      needsTest,
    };
  });
}

function byName(left: Operation, right: Operation): number {
  return left.name < right.name ? -1 : 1;
}
