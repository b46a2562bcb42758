import { XMLParser } from 'fast-xml-parser';
import { S3Error } from './s3-error.ts';

/** An element of a request document, checked against what the schema allows. */
export interface XmlElement {
  readonly name: string;
  readonly children: readonly XmlElement[];
  /** Text of an element without children, with references decoded; nothing is trimmed. */
  readonly text: string;
}

const MAX_DEPTH = 8;

const NAMED_REFERENCES: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
};

/**
 * Parses a request document. No document type, no entities but the five and numeric ones, bounded depth, at most
 * `maxTags` tags: the parser's time grows with them, and it holds up every other request.
 *
 * @throws S3Error MalformedXML
 */
export function parseXml(text: string, rootName: string, maxTags: number): XmlElement {
  if (countTags(text, maxTags) > maxTags || /<!DOCTYPE|<!ENTITY/i.test(text)) throw malformed();
  let tree: unknown;
  try {
    tree = createParser().parse(text, true);
  } catch (cause) {
    throw malformed(cause);
  }
  const roots = readNodes(tree, 0);
  const root = roots.children[0];
  if (roots.children.length !== 1 || root?.name !== rootName) throw malformed();
  return root;
}

/** MalformedXML. */
export function malformed(cause?: unknown): S3Error {
  return new S3Error('MalformedXML', undefined, {}, [], { cause });
}

function countTags(text: string, stopAbove: number): number {
  let count = 0;
  for (let at = text.indexOf('<'); at >= 0 && count <= stopAbove; at = text.indexOf('<', at + 1)) {
    count++;
  }
  return count;
}

function createParser(): XMLParser {
  return new XMLParser({
    preserveOrder: true,
    ignoreAttributes: true,
    ignoreDeclaration: true,
    ignorePiTags: true,
    removeNSPrefix: true,
    parseTagValue: false,
    trimValues: false,
    processEntities: true,
    maxNestedTags: MAX_DEPTH,
    // Why: the parser's own decoder leaves numeric references as they are and forgives unknown ones.
    entityDecoder: {
      decode: decodeReferences,
      setExternalEntities() {},
      addInputEntities() {},
      reset() {},
      setXmlVersion() {},
    },
  });
}

function decodeReferences(text: string): string {
  if (!text.includes('&')) return text;
  return text.replace(/&([^;&]*);?/g, (whole, name: string) => {
    const named = NAMED_REFERENCES[name];
    if (named !== undefined && whole.endsWith(';')) return named;
    const numeric = /^#(?:x([0-9a-fA-F]{1,6})|([0-9]{1,7}))$/.exec(name);
    if (numeric === null || !whole.endsWith(';')) throw malformed();
    const codePoint = Number.parseInt(numeric[1] ?? numeric[2] ?? '', numeric[1] ? 16 : 10);
    if (codePoint > 0x10ffff || (codePoint >= 0xd800 && codePoint <= 0xdfff)) throw malformed();
    return String.fromCodePoint(codePoint);
  });
}

/** Turns the parser's ordered form, a list of one-key objects, into elements. */
function readNodes(nodes: unknown, depth: number): { children: XmlElement[]; text: string } {
  if (!Array.isArray(nodes) || depth > MAX_DEPTH) throw malformed();
  const children: XmlElement[] = [];
  let text = '';
  for (const node of nodes as readonly Record<string, unknown>[]) {
    const name = Object.keys(node).find((key) => key !== ':@');
    if (name === undefined) continue;
    if (name === '#text') text += String(node[name]);
    else children.push({ name, ...readNodes(node[name], depth + 1) });
  }
  if (children.length > 0 && text.trim() !== '') throw malformed();
  return { children, text };
}

/** How often a child may come. */
export type Occurrence = 'one' | 'optional' | 'many';

/** The children of one element by name, after a check of how often each comes. */
export interface CheckedChildren {
  all(name: string): readonly XmlElement[];
  one(name: string): XmlElement;
  text(name: string): string | undefined;
}

/**
 * Checks an element against the children that the schema gives it.
 *
 * @throws S3Error MalformedXML for an unknown child, one too many or one that is missing
 */
export function checkChildren(
  parent: XmlElement,
  schema: Readonly<Record<string, Occurrence>>,
): CheckedChildren {
  if (parent.text.trim() !== '') throw malformed();
  const found = new Map<string, XmlElement[]>();
  for (const child of parent.children) {
    const occurrence = Object.hasOwn(schema, child.name) ? schema[child.name] : undefined;
    if (occurrence === undefined) throw malformed();
    const list = found.get(child.name);
    if (list === undefined) found.set(child.name, [child]);
    else if (occurrence === 'many') list.push(child);
    else throw malformed();
  }
  for (const [name, occurrence] of Object.entries(schema)) {
    if (occurrence === 'one' && !found.has(name)) throw malformed();
  }
  return {
    all: (name) => found.get(name) ?? [],
    one: (name) => found.get(name)?.[0] ?? unreachableChild(name),
    text: (name) => leafText(found.get(name)?.[0]),
  };
}

function leafText(child: XmlElement | undefined): string | undefined {
  if (child !== undefined && child.children.length > 0) throw malformed();
  return child?.text;
}

function unreachableChild(name: string): never {
  throw new Error(`${name} is not a mandatory child of the schema`);
}
