/** Tags: the header, the document, and how they are kept. */
import { decodeQueryPart, queryPairs } from './query.ts';
import type { S3Call } from './s3-call.ts';
import { S3Error } from './s3-error.ts';
import { readXmlBody } from './xml-body.ts';
import { checkChildren, malformed, type XmlElement } from './xml-reader.ts';
import { element, xmlDocument } from './xml-writer.ts';

/** Tags in order, each a name and a value. */
export type TagList = readonly (readonly [string, string])[];

/** Source: Amazon S3 User Guide, "Categorizing your storage using tags". */
const KEY_LIMIT = 128;
const VALUE_LIMIT = 256;
const CHARACTERS = /^[\p{L}\p{Z}\p{N}_.:/=+@-]*$/u;

/** The setting of a bucket that has its tags. */
export const TAGGING_SETTING = 'tagging';

/** Most tags that an object has. */
export const OBJECT_TAG_LIMIT = 10;
/** Most tags that a bucket has. */
export const BUCKET_TAG_LIMIT = 50;

/** The tags of `x-amz-tagging`, as they are kept; undefined where there are none. @throws S3Error InvalidTag, InvalidArgument */
export function readTaggingHeader(call: S3Call): string | undefined {
  return readTags(call.headers.get('x-amz-tagging'));
}

/** Tags as a query string, as they are kept; undefined where there are none. @throws S3Error InvalidTag, InvalidArgument */
export function readTags(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const tags = checkTags(readQuery(text), OBJECT_TAG_LIMIT);
  return tags.length === 0 ? undefined : encodeTags(tags);
}

/** Tags of a header as a write would read them, whether it would take them or not; none where they cannot be read. */
export function tagsInHeader(text: string): TagList {
  try {
    return readQuery(text);
  } catch (error) {
    if (error instanceof S3Error) return [];
    throw error;
  }
}

function readQuery(text: string): TagList {
  try {
    return [...queryPairs(text)].map(([name, value]) => [name, decodeQueryPart(value)]);
  } catch (cause) {
    throw new S3Error(
      'InvalidArgument',
      "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.",
      { ArgumentName: 'x-amz-tagging', ArgumentValue: text },
      [],
      { cause },
    );
  }
}

/** How tags are kept: as a query string. */
export function encodeTags(tags: TagList): string {
  return tags
    .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
    .join('&');
}

export function decodeTags(tagging: string | undefined): TagList {
  return [...new URLSearchParams(tagging ?? '')];
}

export function countTags(tagging: string | undefined): number {
  return tagging === undefined || tagging === '' ? 0 : tagging.split('&').length;
}

/** The tags of a `Tagging` document. @throws S3Error MalformedXML, InvalidTag */
export async function readTagging(call: S3Call, limit: number): Promise<TagList> {
  const root = await readXmlBody(call, {
    root: 'Tagging',
    limitBytes: call.service.limits.xmlSizeBytes,
    maxTags: 1000,
  });
  if (root === undefined) throw malformed();
  const set = checkChildren(root, { TagSet: 'one' }).one('TagSet');
  return readTagSet(set, limit);
}

/** The `Tag` elements of a set. @throws S3Error MalformedXML, InvalidTag */
export function readTagSet(set: XmlElement, limit: number): TagList {
  const tags = checkChildren(set, { Tag: 'many' }).all('Tag').map(readTag);
  return checkTags(tags, limit);
}

/** One `Tag` element. */
function readTag(tag: XmlElement): readonly [string, string] {
  const children = checkChildren(tag, { Key: 'one', Value: 'one' });
  return [children.text('Key') ?? '', children.text('Value') ?? ''];
}

/** The `Tagging` document. */
export function taggingDocument(tags: TagList): string {
  const inner = tags
    .map(([name, value]) => `<Tag>${element('Key', name)}${element('Value', value)}</Tag>`)
    .join('');
  return xmlDocument('Tagging', `<TagSet>${inner}</TagSet>`);
}

/** The tags in the order of their names, which is how they are shown. */
function checkTags(tags: TagList, limit: number): TagList {
  if (tags.length > limit) {
    throw new S3Error('InvalidTag', `Object tags cannot be greater than ${limit}`);
  }
  const names = new Set<string>();
  for (const [name, value] of tags) {
    if (name === '' || name.length > KEY_LIMIT || !CHARACTERS.test(name)) {
      throw new S3Error('InvalidTag', 'The TagKey you have provided is invalid', { TagKey: name });
    }
    if (name.toLowerCase().startsWith('aws:')) {
      throw new S3Error('InvalidTag', 'System tags cannot be added/updated by requester', {
        TagKey: name,
      });
    }
    if (value.length > VALUE_LIMIT || !CHARACTERS.test(value)) {
      throw new S3Error('InvalidTag', 'The TagValue you have provided is invalid', {
        TagValue: value,
      });
    }
    if (names.has(name)) {
      throw new S3Error('InvalidTag', 'Cannot provide multiple Tags with the same key', {
        TagKey: name,
      });
    }
    names.add(name);
  }
  return [...tags].sort(([left], [right]) => (left < right ? -1 : 1));
}
