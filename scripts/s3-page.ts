/** The tables in docs/s3-compatibility.md, between `<!-- table: NAME -->` and `<!-- end -->`; all else there is written by hand. */
import type { Row, Section } from './s3-rows.ts';

/** What the page says of a row besides what the row says itself. */
export interface WrittenRow {
  /** How it names a test; empty for none. */
  readonly test: string;
  /** Operations of the row with which no test shows it. */
  readonly unshown: readonly string[];
}

const HEADS: Readonly<Record<Section, readonly string[]>> = {
  operation: ['Operation', 'Request', 'State', 'Difference from AWS', 'A test that shows it'],
  header: ['Request header', 'Operations', 'State', 'Difference from AWS', 'A test that shows it'],
  parameter: ['Parameter', 'Operations', 'State', 'Difference from AWS', 'A test that shows it'],
  answer: ['Header', 'Operations', 'State', 'Difference from AWS', 'A test that shows it'],
};
/** More operations than this are counted, not named. */
const NAMED_OPERATIONS = 6;
const NOT_SHOWN = '; no test with ';

/** The line of a table. */
export function lineOf(row: Row, { test, unshown }: WrittenRow): string {
  const name = row.section === 'operation' ? row.name : `\`${row.name}\``;
  const missing = unshown.length === 0 ? '' : `${NOT_SHOWN}${unshown.join(', ')}`;
  const where = row.section === 'operation' ? row.request : `${whereOf(row)}${missing}`;
  return `| ${[name, where, row.state, row.difference, test].join(' | ')} |`;
}

function whereOf({ operations, where }: Row): string {
  if (operations.length === 0) return where;
  if (operations.length <= NAMED_OPERATIONS) return operations.join(', ');
  return `${operations.length} operations`;
}

/** By `SECTION NAME`. */
export function readPage(text: string): ReadonlyMap<string, WrittenRow> {
  const found = new Map<string, WrittenRow>();
  for (const [, section = '', table = ''] of text.matchAll(tables())) {
    for (const line of table.split('\n').slice(2)) {
      const [name = '', where = '', , , ...test] = line.slice(2, -2).split(' | ');
      const unshown = where.split(NOT_SHOWN)[1]?.split(', ') ?? [];
      found.set(`${section} ${name.replaceAll('`', '')}`, { test: test.join(' | '), unshown });
    }
  }
  return found;
}

/** The page with these lines in its tables. @throws where it has no place for one */
export function writePage(text: string, lines: readonly (readonly [Row, string])[]): string {
  const left = new Set<string>(Object.keys(HEADS));
  const written = text.replaceAll(tables(), (_all, section: Section) => {
    left.delete(section);
    const own = lines.filter(([row]) => row.section === section).map(([, line]) => line);
    const head = HEADS[section];
    const rule = head.map(() => '---');
    const table = [`| ${head.join(' | ')} |`, `| ${rule.join(' | ')} |`, ...own].join('\n');
    return `<!-- table: ${section} -->\n\n${table}\n\n<!-- end -->`;
  });
  if (left.size > 0) throw new Error(`the page has no place for: ${[...left].join(', ')}`);
  return written;
}

function tables(): RegExp {
  return /<!-- table: (\w+) -->\n\n?([\s\S]*?)\n*<!-- end -->/g;
}
