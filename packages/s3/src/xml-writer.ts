/** Every document begins with it, as AWS's do. */
export const XML_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n';

const NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/';

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must be escaped.
const SPECIAL = /[&<>"\u0000-\u001f\u007f-\u009f\ufffe\uffff]/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must be escaped.
const SPECIALS = /[&<>"\u0000-\u001f\u007f-\u009f\ufffe\uffff]/g;

/**
 * Text for an element. Control characters become numeric references, as AWS writes them: XML 1.0 has no way
 * to hold most of them, which is what `encoding-type=url` is for.
 */
export function escapeXml(text: string): string {
  return SPECIAL.test(text) ? text.replace(SPECIALS, escapeChar) : text;
}

function escapeChar(char: string): string {
  switch (char) {
    case '&':
      return '&amp;';
    case '<':
      return '&lt;';
    case '>':
      return '&gt;';
    case '"':
      return '&quot;';
    default:
      return `&#x${char.charCodeAt(0).toString(16).toUpperCase()};`;
  }
}

/** `<name>text</name>`. `name` is a constant and not escaped. */
export function element(name: string, text: string): string {
  return `<${name}>${escapeXml(text)}</${name}>`;
}

/** The element, or nothing where there is no value. */
export function optionalElement(name: string, text: string | undefined): string {
  return text === undefined ? '' : element(name, text);
}

/** A whole document with S3's namespace. `inner` is XML already. */
export function xmlDocument(root: string, inner: string): string {
  return `${XML_DECLARATION}<${root} xmlns="${NAMESPACE}">${inner}</${root}>`;
}
