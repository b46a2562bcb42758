import fc from 'fast-check';
import { expect, test } from 'vitest';
import { checkChildren, parseXml } from '../src/xml-reader.ts';
import { element, escapeXml, xmlDocument } from '../src/xml-writer.ts';

function refused(document: string, maxTags = 100): void {
  expect(() => parseXml(document, 'a', maxTags), document).toThrow(
    expect.objectContaining({ code: 'MalformedXML' }),
  );
}

test('a document is read with its references, and nothing is trimmed', () => {
  const text = '<?xml version="1.0"?>\n<a xmlns="x"><b> &lt;&#x41;&#66;&amp;#67; </b></a>';
  expect(parseXml(text, 'a', 100).children[0]).toEqual({
    name: 'b',
    children: [],
    text: ' <AB&#67; ',
  });
  expect(parseXml('<a><![CDATA[<&amp;]]></a>', 'a', 100).text).toBe('<&amp;');
  expect(parseXml('<p:a xmlns:p="x"/>', 'a', 100).name).toBe('a');
});

test('document types, entities, foreign roots and broken documents are refused', () => {
  for (const document of [
    '<!DOCTYPE a><a/>',
    '<!doctype a SYSTEM "file:///etc/passwd"><a/>',
    '<a>&e;</a>',
    '<a>&amp</a>',
    '<a>&#xD800;</a>',
    '<a>&#x110000;</a>',
    '<b/>',
    '<a/><a/>',
    '<a>',
    '</a>',
    'a',
    ' ',
    '<a><b></a></b>',
    '<a>text<b/></a>',
  ]) {
    refused(document);
  }
});

test('depth and the number of tags are bounded', () => {
  refused('<a>'.repeat(20) + '</a>'.repeat(20));
  expect(parseXml('<a><b/><b/></a>', 'a', 4).children.length).toBe(2);
  refused('<a><b/><b/></a>', 3);
});

test('a child that is missing, unknown or one too many is refused', () => {
  const check = (inner: string) =>
    checkChildren(parseXml(`<a>${inner}</a>`, 'a', 100), {
      One: 'one',
      Some: 'many',
      May: 'optional',
    });
  expect(check('<One>1</One><Some/><Some/>').text('One')).toBe('1');
  for (const inner of ['', '<One/><One/>', '<One/><May/><May/>', '<One/><Other/>', '<May/>']) {
    expect(() => check(inner), inner).toThrow(expect.objectContaining({ code: 'MalformedXML' }));
  }
  expect(() => check('<One><b/></One>').text('One')).toThrow(
    expect.objectContaining({ code: 'MalformedXML' }),
  );
});

test('what is written is read back, whatever the characters', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 50 }), (text) => {
      const document = xmlDocument('a', element('b', text));
      expect(parseXml(document, 'a', 100).children[0]?.text).toBe(text);
    }),
    { numRuns: 500 },
  );
});

test('control characters are written as numeric references', () => {
  expect(escapeXml('a\u0001\n\r\t<&>"\u007f\ufffe')).toBe(
    'a&#x1;&#xA;&#xD;&#x9;&lt;&amp;&gt;&quot;&#x7F;&#xFFFE;',
  );
});
