/** What a run of the tests has shown of S3: the records that packages/s3/test/surface-record.ts left at its tests. */
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';

/** As vitest's JSON reporter writes it. */
interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly assertionResults: readonly {
      readonly title: string;
      readonly status: string;
      readonly meta?: { readonly s3?: readonly string[] };
    }[];
  }[];
}

interface ShownTest {
  /** How the page names it. */
  readonly name: string;
  readonly facts: ReadonlySet<string>;
}

/** Tests of refusals, of arbitrary input and of very much at once: they show a row, but hardly what it is for. */
const ASIDE = /\/(access|errors|fuzz|connection|every-header|expected-owner)\b|refuse/;

export class TestRun {
  readonly #tests: readonly ShownTest[];

  constructor(tests: readonly ShownTest[]) {
    this.#tests = tests;
  }

  /**
   * The names of the tests that passed and did one of these, as `PutObject header if-match`. First those whose names have
   * most of the words of `name` in them, and of those the plainest.
   */
  testsOf(facts: readonly string[] | RegExp, name: string): readonly string[] {
    const fits = ({ facts: shown }: ShownTest): boolean =>
      facts instanceof RegExp
        ? [...shown].some((fact) => facts.test(fact))
        : facts.some((fact) => shown.has(fact));
    const words = wordsOf(name);
    return this.#tests
      .filter(fits)
      .sort((left, right) => aboutOf(right, words) - aboutOf(left, words) || orderOf(left, right))
      .map((test) => test.name);
  }

  shows(fact: string): boolean {
    return this.#tests.some(({ facts }) => facts.has(fact));
  }

  /** Every header that an answer had. */
  answerNames(): readonly string[] {
    const all = this.#tests.flatMap(({ facts }) => [...facts]);
    return [...new Set(all.flatMap((fact) => / answer (\S+)$/.exec(fact)?.[1] ?? []))].sort();
  }
}

/** @throws where it is not a report, or no test of it has a record */
export function readRun(path: string, root: string): TestRun {
  const report = JSON.parse(readFileSync(path, 'utf8')) as Report;
  const tests = report.testResults.flatMap(({ name: file, assertionResults }) =>
    assertionResults.flatMap(({ title, status, meta }) =>
      status !== 'passed' || meta?.s3 === undefined
        ? []
        : [{ name: testName(relative(root, file), title), facts: new Set(meta.s3.map(plain)) }],
    ),
  );
  if (tests.length === 0) throw new Error(`${path} has no test that says what it did`);
  return new TestRun(tests);
}

function testName(path: string, title: string): string {
  return `\`${path.replaceAll('\\', '/')}\`: ${title.replaceAll('|', '\\|')}`;
}

/** Names of user metadata stand for all of them. */
function plain(fact: string): string {
  return fact.replace(/ x-amz-meta-\S*$/, ' x-amz-meta-*');
}

/** `GetBucketAcl` is about `bucket` and `acl`, `x-amz-storage-class` about `storage` and `class`. */
function wordsOf(name: string): readonly string[] {
  const words = name.split(/(?=[A-Z])|-/).map((word) => word.toLowerCase());
  return words.filter((word) => word.length > 2 && !/^(amz|get|put|object)$/.test(word));
}

function aboutOf({ name }: ShownTest, words: readonly string[]): number {
  const text = name.toLowerCase();
  return words.filter((word) => text.includes(word)).length;
}

function orderOf(left: ShownTest, right: ShownTest): number {
  const aside = Number(ASIDE.test(left.name)) - Number(ASIDE.test(right.name));
  if (aside !== 0) return aside;
  return left.facts.size - right.facts.size || (left.name < right.name ? -1 : 1);
}
