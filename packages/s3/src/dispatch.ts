import { OPERATIONS } from './operation-table.ts';
import type { Operation, S3Call } from './s3-call.ts';
import { invalidArgument, S3Error } from './s3-error.ts';

/** An operation and S3's name for it. */
export interface NamedOperation {
  readonly name: string;
  readonly run: Operation;
}

/**
 * Which operation a request asks for. A subresource (`?acl`) that is known but not implemented is refused by its
 * name, so that `PUT /b/k?acl` can never overwrite object `k`.
 *
 * @throws S3Error NotImplemented, MethodNotAllowed, InvalidArgument
 */
export function selectOperation(call: S3Call): NamedOperation {
  const { level, query } = call.target;
  const methods = OPERATIONS[level];
  const subresource = query.size === 0 ? '' : findSubresource(call);
  const entry = methods.get(`${call.method} ${subresource}`);
  if (entry === undefined) {
    throw notOfKeys(call, subresource) ?? methodNotAllowed(call, subresource);
  }
  const copy = call.headers.has('x-amz-copy-source') ? entry.copy : undefined;
  const named = copy ?? entry;
  call.operation = named.name;
  if (named.run === undefined) {
    throw new S3Error('NotImplemented', `${named.name} is not implemented`, {
      Header: subresource,
    });
  }
  return { name: named.name, run: named.run };
}

/** Query parameters that make another resource of the bucket or object that they come with. */
const SUBRESOURCES: ReadonlySet<string> = new Set([
  'abac',
  'accelerate',
  'acl',
  'analytics',
  'annotation',
  'attributes',
  'cors',
  'delete',
  'encryption',
  'intelligent-tiering',
  'inventory',
  'legal-hold',
  'lifecycle',
  'location',
  'logging',
  'metadataAnnotationTable',
  'metadataConfiguration',
  'metadataInventoryTable',
  'metadataJournalTable',
  'metadataTable',
  'metrics',
  'notification',
  'object-lock',
  'ownershipControls',
  'policy',
  'policyStatus',
  'publicAccessBlock',
  'renameObject',
  'replication',
  'requestPayment',
  'restore',
  'retention',
  'select',
  'session',
  'tagging',
  'torrent',
  'transaction',
  'uploadId',
  'uploads',
  'versioning',
  'versions',
  'website',
]);

function findSubresource(call: S3Call): string {
  const { query, level } = call.target;
  let found = '';
  for (const name of query.keys()) {
    if (!SUBRESOURCES.has(name)) continue;
    if (found !== '') {
      throw invalidArgument(
        `Conflicting query string parameters: ${found}, ${name}`,
        'ResourceType',
        name,
      );
    }
    found = name;
  }
  if (level === 'object') {
    if (found === '' && call.method === 'PUT' && query.has('versionId')) {
      const versionId = query.get('versionId') ?? '';
      throw invalidArgument('This operation does not accept a version-id.', 'versionId', versionId);
    }
    if (
      found === '' &&
      call.method !== 'GET' &&
      call.method !== 'HEAD' &&
      query.has('partNumber')
    ) {
      throw new S3Error('InvalidArgument', 'This operation requires an uploadId', {
        ArgumentName: 'uploadId',
      });
    }
  }
  return found;
}

/** What S3 says to who asks a key for a list that only its bucket has. */
function notOfKeys({ method, target }: S3Call, subresource: string): S3Error | undefined {
  if (target.level !== 'object' || method !== 'GET') return undefined;
  if (subresource === 'uploads') {
    return new S3Error(
      'InvalidRequest',
      'Key is not expected for the GET method ?uploads subresource',
    );
  }
  if (subresource !== 'versions') return undefined;
  return new S3Error(
    'InvalidRequest',
    'There is no such thing as the ?versions sub-resource for a key',
  );
}

/** MethodNotAllowed, with the methods that the resource has in `Allow` (RFC 9110 section 15.5.6). */
function methodNotAllowed(call: S3Call, subresource: string): S3Error {
  const { level } = call.target;
  const allowed: string[] = [];
  for (const key of OPERATIONS[level].keys()) {
    const [method = '', resource = ''] = key.split(' ');
    if (resource === subresource) allowed.push(method);
  }
  const fields = { Method: call.method, ResourceType: (subresource || level).toUpperCase() };
  return new S3Error('MethodNotAllowed', undefined, fields, ['Allow', allowed.join(', ')]);
}
