import type { S3Call } from '../s3-call.ts';
import {
  CORS_SETTING,
  type CorsRequest,
  type CorsRule,
  corsHeaders,
  findCorsRule,
} from './cors-rules.ts';

/** The bucket's rules; undefined where it has none. */
export function corsRules(call: S3Call): readonly CorsRule[] | undefined {
  const text = call.openBucket.bucket.settings.get(CORS_SETTING);
  return text === undefined ? undefined : (JSON.parse(text) as readonly CorsRule[]);
}

/** What the browser asks; undefined where the request does not come from a page of another origin. */
export function corsRequest(call: S3Call): CorsRequest | undefined {
  const origin = call.headers.get('origin');
  if (origin === undefined || origin === '') return undefined;
  const method = call.headers.get('access-control-request-method') ?? call.method;
  const headers = call.headers.get('access-control-request-headers') ?? '';
  return {
    origin,
    method,
    headers: headers
      .split(',')
      .map((name) => name.trim().toLowerCase())
      .filter((name) => name !== ''),
  };
}

/** Headers of an answer, of a refusal too, that let a page of another origin read it; usually none. */
export function corsAnswerHeaders(call: S3Call): readonly string[] {
  const request = corsRequest(call);
  const rules = request === undefined ? undefined : corsRules(call);
  if (request === undefined || rules === undefined) return [];
  const rule = findCorsRule(rules, request);
  return rule === undefined ? [] : corsHeaders(rule, request);
}
