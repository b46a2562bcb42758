/** What a grant allows. WRITE means something for a bucket only. */
export type Permission = 'READ' | 'WRITE' | 'READ_ACP' | 'WRITE_ACP' | 'FULL_CONTROL';

export const PERMISSIONS: readonly Permission[] = [
  'FULL_CONTROL',
  'READ',
  'WRITE',
  'READ_ACP',
  'WRITE_ACP',
];

export type Group = 'AllUsers' | 'AuthenticatedUsers' | 'LogDelivery';

export type Grantee =
  | { readonly kind: 'account'; readonly id: string }
  | { readonly kind: 'group'; readonly group: Group };

export interface Grant {
  readonly grantee: Grantee;
  readonly permission: Permission;
}

/** Who may do what. An owner may always, also where the list does not name it. */
export type Acl = readonly Grant[];

/** The ACL of what has none of its own. */
export function ownerOnly(ownerId: string): Acl {
  return [account(ownerId, 'FULL_CONTROL')];
}

/**
 * The grants of a canned ACL; undefined where there is none of this name.
 *
 * Source: Amazon S3 User Guide, "Access control list (ACL) overview", "Canned ACL".
 */
export function cannedAcl(name: string, ownerId: string, bucketOwnerId: string): Acl | undefined {
  const owner = account(ownerId, 'FULL_CONTROL');
  const bucketOwner = (permission: Permission): Acl =>
    ownerId === bucketOwnerId ? [owner] : [owner, account(bucketOwnerId, permission)];
  switch (name) {
    case 'private':
      return [owner];
    case 'public-read':
      return [group('AllUsers', 'READ'), owner];
    case 'public-read-write':
      return [group('AllUsers', 'READ'), group('AllUsers', 'WRITE'), owner];
    case 'authenticated-read':
      return [group('AuthenticatedUsers', 'READ'), owner];
    case 'bucket-owner-read':
      return bucketOwner('READ');
    case 'bucket-owner-full-control':
      return bucketOwner('FULL_CONTROL');
    case 'log-delivery-write':
      return [group('LogDelivery', 'WRITE'), group('LogDelivery', 'READ_ACP'), owner];
    default:
      return undefined;
  }
}

/** Whether an ACL lets an account, or with undefined somebody who did not sign, do something. */
export function aclAllows(
  acl: Acl,
  accountId: string | undefined,
  permission: Permission,
  options: { readonly ignorePublic: boolean },
): boolean {
  return acl.some((grant) => {
    if (grant.permission !== permission && grant.permission !== 'FULL_CONTROL') return false;
    const { grantee } = grant;
    if (grantee.kind === 'account') return grantee.id === accountId;
    if (grantee.group === 'LogDelivery' || options.ignorePublic) return false;
    return grantee.group === 'AllUsers' || accountId !== undefined;
  });
}

/** Whether an ACL lets in people whom nobody can name. */
export function isPublicAcl(acl: Acl): boolean {
  return acl.some(({ grantee }) => grantee.kind === 'group' && grantee.group !== 'LogDelivery');
}

/** As it is stored: `[["FULL_CONTROL","id"],["READ",null,"AllUsers"]]`. */
export function encodeAcl(acl: Acl): string {
  return JSON.stringify(
    acl.map(({ grantee, permission }) =>
      grantee.kind === 'account' ? [permission, grantee.id] : [permission, null, grantee.group],
    ),
  );
}

/** What `encodeAcl` wrote. */
export function decodeAcl(text: string): Acl {
  const rows = JSON.parse(text) as [Permission, string | null, Group?][];
  return rows.map(([permission, id, name]) =>
    id === null ? group(name ?? 'LogDelivery', permission) : account(id, permission),
  );
}

/** Whether two ACLs grant the same, in whatever order. */
export function sameAcl(left: Acl, right: Acl): boolean {
  const lines = (acl: Acl): string =>
    acl
      .map((grant) => encodeAcl([grant]))
      .sort()
      .join();
  return lines(left) === lines(right);
}

function account(id: string, permission: Permission): Grant {
  return { grantee: { kind: 'account', id }, permission };
}

function group(name: Group, permission: Permission): Grant {
  return { grantee: { kind: 'group', group: name }, permission };
}
