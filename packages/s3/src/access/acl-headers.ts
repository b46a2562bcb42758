import type { S3Call } from '../s3-call.ts';
import { invalidArgument, S3Error } from '../s3-error.ts';
import {
  type Acl,
  cannedAcl,
  type Grant,
  type Grantee,
  type Group,
  type Permission,
} from './acl.ts';

const GRANT_HEADERS: readonly (readonly [string, Permission])[] = [
  ['x-amz-grant-read', 'READ'],
  ['x-amz-grant-write', 'WRITE'],
  ['x-amz-grant-read-acp', 'READ_ACP'],
  ['x-amz-grant-write-acp', 'WRITE_ACP'],
  ['x-amz-grant-full-control', 'FULL_CONTROL'],
];

const GROUP_URIS: ReadonlyMap<string, Group> = new Map([
  ['http://acs.amazonaws.com/groups/global/AllUsers', 'AllUsers'],
  ['http://acs.amazonaws.com/groups/global/AuthenticatedUsers', 'AuthenticatedUsers'],
  ['http://acs.amazonaws.com/groups/s3/LogDelivery', 'LogDelivery'],
]);

/** Whose the bucket and the thing are that an ACL is for. */
export interface AclOwners {
  readonly ownerId: string;
  readonly bucketOwnerId: string;
}

/** Whether the request says who else may do what. */
export function hasAclHeaders(call: S3Call): boolean {
  return call.headers.has('x-amz-acl') || GRANT_HEADERS.some(([name]) => call.headers.has(name));
}

/**
 * The ACL that a request's headers ask for; undefined where they ask for none.
 *
 * @throws S3Error InvalidRequest (canned and granted), InvalidArgument, UnresolvableGrantByEmailAddress
 */
export function readAclHeaders(call: S3Call, owners: AclOwners): Acl | undefined {
  const canned = call.headers.get('x-amz-acl');
  // Why first: a request that asks for two ACLs is wrong, whoever is named in the second.
  if (canned !== undefined && GRANT_HEADERS.some(([name]) => call.headers.has(name))) {
    throw new S3Error(
      'InvalidRequest',
      'Specifying both Canned ACLs and Header Grants is not allowed',
    );
  }
  const grants = GRANT_HEADERS.flatMap(([name, permission]) =>
    readGrants(call, name).map((grantee): Grant => ({ grantee, permission })),
  );
  if (canned === undefined) return grants.length === 0 ? undefined : grants;
  const acl = cannedAcl(canned, owners.ownerId, owners.bucketOwnerId);
  if (acl === undefined) throw invalidArgument('', 'x-amz-acl', canned);
  return acl;
}

/** `id="…", uri="…", emailAddress="…"`, quoted or not. */
function readGrants(call: S3Call, name: string): Grantee[] {
  const value = call.headers.get(name);
  if (value === undefined) return [];
  return value.split(',').map((part) => {
    const [, kind = '', text = ''] = /^\s*([A-Za-z]+)\s*=\s*"?([^"]*)"?\s*$/.exec(part) ?? [];
    return findGrantee(call, kind, text);
  });
}

/**
 * The grantee of this kind (`id`, `uri`, `emailAddress`) and name.
 *
 * @throws S3Error InvalidArgument, UnresolvableGrantByEmailAddress
 */
export function findGrantee(call: S3Call, kind: string, text: string): Grantee {
  const { identities } = call.service;
  switch (kind.toLowerCase()) {
    case 'id': {
      const account = identities.findAccount(text);
      if (account === undefined) throw invalidArgument('Invalid id', 'CanonicalUser/ID', text);
      return { kind: 'account', id: account.id };
    }
    case 'emailaddress': {
      const account = identities.findAccountByEmail(text);
      if (account === undefined) throw new S3Error('UnresolvableGrantByEmailAddress');
      return { kind: 'account', id: account.id };
    }
    case 'uri': {
      const group = GROUP_URIS.get(text);
      if (group === undefined) throw invalidArgument('Invalid group uri', 'Group/URI', text);
      return { kind: 'group', group };
    }
    default:
      throw invalidArgument('Argument format not recognized', 'x-amz-grant', text);
  }
}

/** The address by which S3 names a group. */
export function groupUri(group: Group): string {
  for (const [uri, name] of GROUP_URIS) if (name === group) return uri;
  return '';
}
