import type { RegisterCall, RegisterOperation, RegisterResult } from '../src/history/index.ts';

/**
 * Reads a history of one key, an operation a line: client, event numbers of invocation and return, call, result.
 *
 *     a 1-4 put v1 if absent -> written
 *     b 2-3 get -> v1
 *     c 5-  put v2 if v1 -> ?
 */
export function historyOf(text: string, key = 'k'): RegisterOperation[] {
  const lines = text.split('\n').map((line) => line.trim());
  return lines.filter((line) => line !== '').map((line) => operationOf(line, key));
}

function operationOf(line: string, key: string): RegisterOperation {
  const found = /^(\w+) +(\d+)-(\d*) +(.+?) *-> *(\S+)$/.exec(line);
  if (found === null) throw new Error(`not an operation: ${line}`);
  const [, client = '', invoked, returned, words = '', answer = ''] = found;
  const isAnswered = answer !== '?';
  return {
    client,
    key,
    call: callOf(words),
    result: isAnswered ? resultOf(answer) : undefined,
    invokedAt: Number(invoked),
    returnedAt: isAnswered ? Number(returned) : Infinity,
  };
}

function callOf(words: string): RegisterCall {
  const [kind, ...rest] = words.split(/ +/);
  const value = kind === 'put' ? (rest.shift() ?? '') : '';
  const condition = rest.join(' ');
  if (kind === 'put' && condition === 'if absent') return { kind, value, ifAbsent: true };
  const ifNoneMatch = /^if not (\S+)$/.exec(condition)?.[1];
  if (kind === 'get' && ifNoneMatch !== undefined) return { kind, ifNoneMatch };
  const ifMatch = /^if (\S+)$/.exec(condition)?.[1];
  const match = ifMatch === undefined ? {} : { ifMatch };
  if (kind === 'put') return { kind, value, ...match };
  if (kind === 'get' || kind === 'delete') return { kind, ...match };
  throw new Error(`not a call: ${words}`);
}

function resultOf(answer: string): RegisterResult {
  const kinds = ['absent', 'written', 'deleted', 'refused', 'unchanged'] as const;
  const kind = kinds.find((each) => each === answer);
  return kind === undefined ? { kind: 'found', value: answer } : { kind };
}
