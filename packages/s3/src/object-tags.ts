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

/** What has tags: how many at most, and the words of AWS where there are more of them, or one of its own. */
interface Tagged {
  readonly limit: number;
  readonly tooMany: string;
  readonly system: string;
}

export const OBJECT_TAGS: Tagged = {
  limit: 10,
  tooMany: 'Object tags cannot be greater than 10',
  system: 'Your TagKey cannot be prefixed with aws:',
};

export const BUCKET_TAGS: Tagged = {
  limit: 50,
  tooMany: 'Bucket tag count cannot be greater than 50',
  system: 'System tags cannot be added/updated by requester',
};

/** The tags of `x-amz-tagging`, as they are kept; undefined where there are none. @throws S3Error InvalidTag, InvalidArgument, BadRequest */
export function readTaggingHeader(call: S3Call): string | undefined {
  return readTags(call.headers.get('x-amz-tagging'));
}

/** Tags as a query string, as they are kept; undefined where there are none. @throws S3Error InvalidTag, InvalidArgument, BadRequest */
export function readTags(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const tags = checkTags(readQuery(text), OBJECT_TAGS);
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

/** Source: what AWS answers, which takes no `=` in a value that is not escaped. */
function readQuery(text: string): TagList {
  let pairs: (readonly [name: string, value: string, raw: string])[];
  try {
    pairs = Array.from(queryPairs(text), ([name, raw]) => [name, decodeQueryPart(raw), raw]);
  } catch (cause) {
    throw notAQuery(text, cause);
  }
  const tags = new Map(pairs.map(([name, value]) => [name, value]));
  if (tags.size < pairs.length || pairs.some(([name, , raw]) => name === '' || raw.includes('='))) {
    throw notAQuery(text);
  }
  return [...tags];
}

function notAQuery(text: string, cause?: unknown): S3Error {
  return new S3Error(
    'InvalidArgument',
    "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.",
    { ArgumentName: 'x-amz-tagging', ArgumentValue: text },
    [],
    { cause },
  );
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

/** The tags of a `Tagging` document; without a set there are none. @throws S3Error MalformedXML, InvalidTag, BadRequest */
export async function readTagging(call: S3Call, tagged: Tagged): Promise<TagList> {
  const root = await readXmlBody(call, {
    root: 'Tagging',
    limitBytes: call.service.limits.xmlSizeBytes,
    maxTags: 1000,
  });
  if (root === undefined) throw malformed();
  const [set] = checkChildren(root, { TagSet: 'optional' }).all('TagSet');
  return set === undefined ? [] : readTagSet(set, tagged);
}

/** The `Tag` elements of a set. @throws S3Error MalformedXML, InvalidTag, BadRequest */
export function readTagSet(set: XmlElement, tagged: Tagged): TagList {
  const tags = checkChildren(set, { Tag: 'many' }).all('Tag').map(readTag);
  return checkTags(tags, tagged);
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
function checkTags(tags: TagList, { limit, tooMany, system }: Tagged): TagList {
  if (tags.length > limit) throw new S3Error('BadRequest', tooMany);
  const names = new Set<string>();
  for (const [name, value] of tags) {
    if (name === '' || name.length > KEY_LIMIT || !CHARACTERS.test(name)) {
      throw new S3Error('InvalidTag', 'The TagKey you have provided is invalid', { TagKey: name });
    }
    if (name.toLowerCase().startsWith('aws:')) {
      throw new S3Error('InvalidTag', system, { TagKey: name });
    }
    if (value.length > VALUE_LIMIT || !CHARACTERS.test(value)) {
      throw new S3Error('InvalidTag', 'The TagValue you have provided is invalid', {
        TagKey: name,
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
