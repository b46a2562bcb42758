/**
 * Headers by lower-case name. One that was sent several times has its values joined with a comma, in
 * the order sent, as S3 signs them. Values are as Node gives them: one character a byte.
 */
export type RequestHeaders = ReadonlyMap<string, string>;

/**
 * Headers from Node's `request.rawHeaders` (name, value, name, value, …).
 *
 * Why: `request.headers` drops some duplicates and joins the others with a comma and a space, so a
 * signature over a repeated header could not be checked.
 */
export function requestHeaders(rawHeaders: readonly string[]): RequestHeaders {
  const headers = new Map<string, string>();
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] as string).toLowerCase();
    const value = rawHeaders[index + 1] as string;
    const earlier = headers.get(name);
    headers.set(name, earlier === undefined ? value : `${earlier},${value}`);
  }
  return headers;
}
