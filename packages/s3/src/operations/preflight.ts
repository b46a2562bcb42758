import { sendEmpty } from '../answer.ts';
import { corsRequest, corsRules } from '../cors/cors-answer.ts';
import { findCorsRule } from '../cors/cors-rules.ts';
import type { S3Call } from '../s3-call.ts';
import { S3Error } from '../s3-error.ts';

const METHODS: readonly string[] = ['GET', 'PUT', 'HEAD', 'POST', 'DELETE'];

/** Source: AWS API reference, "OPTIONS object". */
export async function preflight(call: S3Call): Promise<void> {
  const request = corsRequest(call);
  if (request === undefined) {
    throw new S3Error('BadRequest', 'Insufficient information. Origin request header needed.');
  }
  const method = call.headers.get('access-control-request-method');
  const rules = corsRules(call);
  if (rules === undefined) {
    throw new S3Error('AccessForbidden', undefined, {
      Method: method ?? call.method,
      ResourceType: 'BUCKET',
    });
  }
  if (method === undefined || !METHODS.includes(method)) {
    throw new S3Error('BadRequest', `Invalid Access-Control-Request-Method: ${method ?? 'null'}`);
  }
  if (findCorsRule(rules, request) === undefined) {
    throw new S3Error(
      'AccessForbidden',
      "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.",
      { Method: method, ResourceType: call.target.level.toUpperCase() },
    );
  }
  await sendEmpty(call, 200);
}
