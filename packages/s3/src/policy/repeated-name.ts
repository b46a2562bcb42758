/** A name that is in one object of a JSON text more than once, and the line, from 1, that has it again. */
export interface RepeatedName {
  readonly name: string;
  readonly line: number;
}

/**
 * The first name that an object of a JSON text has twice; undefined where there is none. The text must be JSON.
 *
 * Why: of two that have one name the first counts for nothing, whatever it says.
 */
export function repeatedName(text: string): RepeatedName | undefined {
  const open: Set<string>[] = [];
  // Strings with the colon that follows a name, and what opens and closes objects.
  for (const { 0: token, 1: string, 2: colon, index } of text.matchAll(
    /("(?:[^"\\]|\\.)*")(\s*:)?|[{}]/g,
  )) {
    if (token === '{') open.push(new Set());
    else if (token === '}') open.pop();
    else if (string !== undefined && colon !== undefined) {
      const name = JSON.parse(string) as string;
      const names = open.at(-1);
      if (names?.has(name) === true) {
        return { name, line: text.slice(0, index).split('\n').length };
      }
      names?.add(name);
    }
  }
  return undefined;
}
