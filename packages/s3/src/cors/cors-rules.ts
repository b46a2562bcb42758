/** One rule of a bucket's CORS configuration. */
export interface CorsRule {
  readonly id?: string;
  readonly allowedOrigins: readonly string[];
  readonly allowedMethods: readonly string[];
  readonly allowedHeaders: readonly string[];
  readonly exposeHeaders: readonly string[];
  readonly maxAgeSeconds?: number;
}

/** What a browser asks. */
export interface CorsRequest {
  readonly origin: string;
  readonly method: string;
  /** Lower-case names of the headers that it wants to send. */
  readonly headers: readonly string[];
}

/** Name of the bucket setting. */
export const CORS_SETTING = 'cors';

/**
 * The first rule that allows what a browser asks.
 *
 * Source: Amazon S3 User Guide, "Using cross-origin resource sharing (CORS)", "How does Amazon S3 evaluate the CORS
 * configuration on a bucket?".
 */
export function findCorsRule(
  rules: readonly CorsRule[],
  request: CorsRequest,
): CorsRule | undefined {
  return rules.find(
    (rule) =>
      rule.allowedMethods.includes(request.method) &&
      rule.allowedOrigins.some((pattern) => matchesOneStar(pattern, request.origin)) &&
      request.headers.every((header) =>
        rule.allowedHeaders.some((pattern) => matchesOneStar(pattern.toLowerCase(), header)),
      ),
  );
}

/** The headers that tell the browser what the rule allows, as name, value, name, value. */
export function corsHeaders(rule: CorsRule, request: CorsRequest): string[] {
  const everyone = rule.allowedOrigins.includes('*');
  const headers = [
    'Access-Control-Allow-Origin',
    everyone ? '*' : request.origin,
    'Access-Control-Allow-Methods',
    rule.allowedMethods.join(', '),
  ];
  if (request.headers.length > 0) {
    headers.push('Access-Control-Allow-Headers', request.headers.join(', '));
  }
  if (rule.exposeHeaders.length > 0) {
    headers.push('Access-Control-Expose-Headers', rule.exposeHeaders.join(', '));
  }
  if (rule.maxAgeSeconds !== undefined) {
    headers.push('Access-Control-Max-Age', String(rule.maxAgeSeconds));
  }
  // Why not for everyone: browsers refuse the two together.
  if (!everyone) headers.push('Access-Control-Allow-Credentials', 'true');
  headers.push('Vary', 'Origin, Access-Control-Request-Headers, Access-Control-Request-Method');
  return headers;
}

/** `*` at most once, for any run of characters. */
function matchesOneStar(pattern: string, text: string): boolean {
  const star = pattern.indexOf('*');
  if (star < 0) return pattern === text;
  const start = pattern.slice(0, star);
  const end = pattern.slice(star + 1);
  return text.length >= start.length + end.length && text.startsWith(start) && text.endsWith(end);
}
