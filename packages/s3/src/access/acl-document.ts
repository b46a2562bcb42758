import { ownerElement } from '../owner-element.ts';
import type { S3Call } from '../s3-call.ts';
import { S3Error } from '../s3-error.ts';
import { readXmlBody } from '../xml-body.ts';
import { checkChildren, type XmlElement } from '../xml-reader.ts';
import { element, xmlDocument } from '../xml-writer.ts';
import { type Acl, type Grant, PERMISSIONS } from './acl.ts';
import {
  type AclOwners,
  findGrantee,
  groupUri,
  hasAclHeaders,
  readAclHeaders,
} from './acl-headers.ts';

/** S3 takes no more. */
const MAX_GRANTS = 100;

const XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"';

/** The `<AccessControlPolicy>` of something. */
export function aclDocument(call: S3Call, ownerId: string, acl: Acl): string {
  const isGroup = ({ grantee }: Grant): boolean => grantee.kind === 'group';
  // Why groups first: it is where clients written against other stores look for them.
  const shown = [...acl.filter(isGroup), ...acl.filter((grant) => !isGroup(grant))];
  const grants = shown.map((grant) => grantElement(call, grant)).join('');
  return xmlDocument(
    'AccessControlPolicy',
    `${ownerElement(call, ownerId)}<AccessControlList>${grants}</AccessControlList>`,
  );
}

function grantElement(call: S3Call, { grantee, permission }: Grant): string {
  const inner =
    grantee.kind === 'group'
      ? `<Grantee ${XSI} xsi:type="Group">${element('URI', groupUri(grantee.group))}</Grantee>`
      : `<Grantee ${XSI} xsi:type="CanonicalUser">${element('ID', grantee.id)}${element('DisplayName', call.service.identities.findAccount(grantee.id)?.displayName ?? '')}</Grantee>`;
  return `<Grant>${inner}${element('Permission', permission)}</Grant>`;
}

/**
 * The ACL that PutBucketAcl or PutObjectAcl asks for: in headers, or as a document.
 *
 * @throws S3Error MalformedACLError, MissingSecurityHeader, UnexpectedContent, AccessDenied where the document names another owner, …
 */
export async function readRequestedAcl(call: S3Call, owners: AclOwners): Promise<Acl> {
  const root = await readXmlBody(call, {
    root: 'AccessControlPolicy',
    limitBytes: call.service.limits.xmlSizeBytes,
    maxTags: MAX_GRANTS * 20,
  });
  if (hasAclHeaders(call)) {
    if (root !== undefined) throw new S3Error('UnexpectedContent');
    return readAclHeaders(call, owners) ?? [];
  }
  if (root === undefined) {
    throw new S3Error('MissingSecurityHeader', undefined, { MissingHeaderName: 'x-amz-acl' });
  }
  try {
    return readDocument(call, root, owners);
  } catch (error) {
    if (error instanceof S3Error && error.code === 'MalformedXML') {
      throw new S3Error('MalformedACLError', undefined, {}, [], { cause: error });
    }
    throw error;
  }
}

function readDocument(call: S3Call, root: XmlElement, owners: AclOwners): Acl {
  const document = checkChildren(root, { Owner: 'one', AccessControlList: 'one' });
  const owner = checkChildren(document.one('Owner'), { ID: 'optional', DisplayName: 'optional' });
  const id = owner.text('ID');
  if (id !== undefined && id !== owners.ownerId) throw new S3Error('AccessDenied');
  const list = document.one('AccessControlList');
  const grants = checkChildren(list, { Grant: 'many' }).all('Grant');
  if (grants.length > MAX_GRANTS) throw new S3Error('MalformedACLError');
  return grants.map((grant) => readGrant(call, grant));
}

function readGrant(call: S3Call, grant: XmlElement): Grant {
  const children = checkChildren(grant, { Grantee: 'one', Permission: 'one' });
  const permission = PERMISSIONS.find((name) => name === children.text('Permission')?.trim());
  if (permission === undefined) throw new S3Error('MalformedACLError');
  const grantee = checkChildren(children.one('Grantee'), {
    ID: 'optional',
    DisplayName: 'optional',
    URI: 'optional',
    EmailAddress: 'optional',
  });
  for (const kind of ['ID', 'URI', 'EmailAddress']) {
    const text = grantee.text(kind)?.trim();
    if (text !== undefined) return { grantee: findGrantee(call, kind, text), permission };
  }
  throw new S3Error('MalformedACLError');
}
