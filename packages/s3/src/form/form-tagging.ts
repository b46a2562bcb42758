import { checkChildren, parseXml } from '../xml-reader.ts';

/** Most tags that an object may have, times what a tag may need. */
const MAX_TAGS = 1000;

/**
 * The field `tagging` of a form, a `<Tagging>` document, as the header `x-amz-tagging` says it: `a=1&b=2`, percent-encoded.
 *
 * @throws S3Error MalformedXML
 */
export function taggingHeader(field: string): string {
  const root = checkChildren(parseXml(field, 'Tagging', MAX_TAGS), { TagSet: 'one' });
  const tags = checkChildren(root.one('TagSet'), { Tag: 'many' }).all('Tag');
  return tags
    .map((tag) => {
      const children = checkChildren(tag, { Key: 'one', Value: 'one' });
      const [key = '', value = ''] = [children.text('Key'), children.text('Value')];
      return `${encodeURIComponent(key)}=${encodeURIComponent(value)}`;
    })
    .join('&');
}
