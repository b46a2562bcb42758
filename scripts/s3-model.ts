/** What AWS says that S3 has: the operations of the SDK for JavaScript, with their headers and query parameters. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** Where a name stands: in a request header, in the query, in a header of the answer. */
export type SurfaceKind = 'header' | 'parameter' | 'answer';

export interface ModelOperation {
  readonly name: string;
  /** `PUT object?tagging` */
  readonly request: string;
  /** Names by their place; `x-amz-meta-*` stands for all that begin so. */
  readonly names: Readonly<Record<SurfaceKind, readonly string[]>>;
}

/** Traits of a member or an operation, as the SDK's schemas have them. */
interface Traits {
  readonly http?: readonly [method: string, path: string];
  readonly httpHeader?: string;
  readonly httpPrefixHeaders?: string;
  readonly httpQuery?: string;
}
type Lazy<T> = T | (() => T);
type Structure = readonly [3, string, string, unknown, readonly string[], readonly unknown[]];
type OperationSchema = readonly [9, string, string, Traits, Lazy<Structure>, Lazy<Structure>];

/** Names that only other kinds of buckets and services use. */
const FOREIGN = /^x-amz-(fwd-|request-route$|request-token$)/;

/** Reads it from `@aws-sdk/client-s3`, as the package in `folder` has it. */
export async function readModel(folder: string): Promise<readonly ModelOperation[]> {
  const path = createRequire(join(folder, 'package.json')).resolve('@aws-sdk/client-s3');
  const sdk = (await import(pathToFileURL(path).href)) as Readonly<Record<string, unknown>>;
  return Object.values(sdk)
    .filter((each): each is OperationSchema => Array.isArray(each) && each[0] === 9)
    .map(operationOf);
}

function operationOf([, , name, traits, input, output]: OperationSchema): ModelOperation {
  const asked = membersOf(input);
  const query = [...asked.values()].flatMap(({ httpQuery }) => httpQuery ?? []);
  return {
    name,
    request: requestOf(traits, asked.has('Bucket')),
    names: {
      header: headersOf(asked),
      parameter: query,
      answer: headersOf(membersOf(output)),
    },
  };
}

/** Members by name, with what is said of them together. */
function membersOf(schema: Lazy<Structure>): ReadonlyMap<string, Traits> {
  const structure = typeof schema === 'function' ? schema() : schema;
  if (!Array.isArray(structure) || structure[0] !== 3) return new Map();
  const [, , , , names, members] = structure;
  return new Map(
    names.map((name, at) => {
      const member: unknown = members[at];
      return [name, Object.assign({}, ...(Array.isArray(member) ? member : [])) as Traits];
    }),
  );
}

function headersOf(members: ReadonlyMap<string, Traits>): readonly string[] {
  return [...members.values()]
    .flatMap(({ httpHeader, httpPrefixHeaders }) => {
      if (httpPrefixHeaders !== undefined) return [`${httpPrefixHeaders}*`];
      return httpHeader?.toLowerCase() ?? [];
    })
    .filter((name) => !FOREIGN.test(name));
}

function requestOf({ http: [method, target] = ['', ''] }: Traits, hasBucket: boolean): string {
  const [path = '', query = ''] = target.split('?');
  const level = path.includes('{Key') ? 'object' : hasBucket ? 'bucket' : 'service';
  const parameters = query.split('&').filter((each) => each !== '' && !each.startsWith('x-id='));
  return `${method} ${level}${parameters.length === 0 ? '' : `?${parameters.join('&')}`}`;
}
