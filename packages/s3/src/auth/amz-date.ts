const DIGIT_ZERO = 48;

/** The number in `text[start, end)`, or NaN unless it is all digits. */
function digits(text: string, start: number, end: number): number {
  let number = 0;
  for (let index = start; index < end; index++) {
    const digit = text.charCodeAt(index) - DIGIT_ZERO;
    if (!(digit >= 0 && digit <= 9)) return Number.NaN;
    number = number * 10 + digit;
  }
  return number;
}

/** Milliseconds since 1970 of `YYYYMMDDTHHMMSSZ`; undefined for anything else. */
export function parseAmzDate(text: string): number | undefined {
  if (text.length !== 16 || text[8] !== 'T' || text[15] !== 'Z') return undefined;
  const month = digits(text, 4, 6);
  const day = digits(text, 6, 8);
  const hour = digits(text, 9, 11);
  const minute = digits(text, 11, 13);
  const second = digits(text, 13, 15);
  const possible =
    month >= 1 && month <= 12 && day >= 1 && day <= 31 && hour < 24 && minute < 60 && second < 61;
  if (!possible) return undefined;
  const timeMs = Date.UTC(digits(text, 0, 4), month - 1, day, hour, minute, second);
  return Number.isNaN(timeMs) ? undefined : timeMs;
}

/** `YYYYMMDDTHHMMSSZ`. */
export function formatAmzDate(timeMs: number): string {
  const iso = new Date(timeMs).toISOString();
  return `${iso.slice(0, 19).replaceAll('-', '').replaceAll(':', '')}Z`;
}

/** `YYYY-MM-DDTHH:MM:SSZ`, as error documents show times. */
export function formatErrorDate(timeMs: number): string {
  return `${new Date(timeMs).toISOString().slice(0, 19)}Z`;
}

/**
 * The time of a `Date` header: an HTTP date in GMT (RFC 9110 section 5.6.7) or, as S3 allows, the basic
 * ISO 8601 form. Undefined for anything else.
 */
export function parseDateHeader(text: string): number | undefined {
  const basic = parseAmzDate(text);
  if (basic !== undefined) return basic;
  // `-0000` is how the mail format that some clients use says it (RFC 5322 section 3.3).
  const zoned = / (?:GMT|UTC|[+-]0000)$/.test(text);
  if (!zoned || text.length > 40) return undefined;
  const timeMs = Date.parse(text);
  return Number.isNaN(timeMs) ? undefined : timeMs;
}
